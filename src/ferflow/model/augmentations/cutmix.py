"""CutMix (Yun et al. 2019, arXiv:1905.04899): a rectangle of another image, and so much of its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.labels import IMAGE_SIZE
from ferflow.model.augmentations import Mixture, column, pixel_line
from ferflow.model.backend import load_keras
from ferflow.params.section import Section

if TYPE_CHECKING:
    from ferflow.model.draws import Draws


class Options(Section):
    """Alpha of Beta(alpha, alpha), from which the share that is kept is drawn; 0 cuts nothing."""

    cutmix: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0


def mix(images: Any, others: Any, options: Options, draws: Draws) -> tuple[Any, Any]:
    """Paste a rectangle of the other; its middle lies anywhere, and what juts out is cut off."""
    ops = load_keras().ops
    half_side = column(ops.sqrt(1 - draws.beta(options.cutmix))) * (IMAGE_SIZE / 2)
    inside: Any = True
    for axis in (1, 2):
        middle = column(draws.share()) * IMAGE_SIZE
        inside = inside & (ops.abs(pixel_line(axis) - middle) < half_side)
    share = 1 - ops.mean(ops.cast(inside, "float32"), axis=(1, 2))
    return ops.where(inside, others, images), share


ENTRY = Mixture(options=Options, is_on=lambda options: options.cutmix, mix=mix)
