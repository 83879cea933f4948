"""Random erasing (Zhong et al. 2017, arXiv:1708.04896): a rectangle of noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.labels import IMAGE_SIZE
from ferflow.model.augmentations import Change, column, pixel_line
from ferflow.model.backend import load_keras
from ferflow.params.section import Section, Share

if TYPE_CHECKING:
    from ferflow.model.draws import Draws

# Of the paper: smallest share of the area, and height to width.
_SMALLEST_SHARE = 0.02
_LARGEST_ASPECT = 1 / 0.3


class Options(Section):
    """Share of the images, and the largest share of an image that the rectangle covers."""

    erasing: Share
    erasing_area: Annotated[float, Field(gt=0, le=0.9, allow_inf_nan=False)]


def change(images: Any, options: Options, draws: Draws) -> Any:
    """Overwrite a random rectangle with noise, in the share `erasing` of the images."""
    keras = load_keras()
    ops = keras.ops
    inside = column(draws.share() < options.erasing)
    smallest = min(_SMALLEST_SHARE, options.erasing_area)
    half_range = (options.erasing_area - smallest) / 2
    area = smallest + half_range + draws.uniform(half_range)
    aspect = ops.exp(draws.uniform(math.log(_LARGEST_ASPECT)))
    for axis, share in ((1, ops.sqrt(area * aspect)), (2, ops.sqrt(area / aspect))):
        length = ops.minimum(share, 1.0) * IMAGE_SIZE
        start = column(draws.share() * (IMAGE_SIZE - length))
        inside = inside & (pixel_line(axis) >= start) & (pixel_line(axis) < start + column(length))
    noise = keras.random.uniform(ops.shape(images), 0.0, 255.0, seed=draws.generator)
    return ops.where(inside, noise, images)


ENTRY = Change(options=Options, is_on=lambda options: options.erasing, place=3, change=change)
