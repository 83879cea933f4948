"""Rotation, zoom, shift and mirror as one affine map: bilinear, edges repeated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.labels import IMAGE_SIZE
from ferflow.model import affine
from ferflow.model.augmentations import Change
from ferflow.model.backend import load_keras
from ferflow.params.section import Section

if TYPE_CHECKING:
    from ferflow.model.draws import Draws


class Options(Section):
    """Degrees, and shares, either way."""

    rotation: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)]
    zoom: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    shift: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    flip: bool


def change(images: Any, options: Options, draws: Draws) -> Any:
    """Move each image about its centre."""
    return affine.transform(images, _maps(options, draws))


def _maps(options: Options, draws: Draws) -> Any:
    """(N, 8) coefficients of the map from output to input pixels, about the image centre."""
    ops = load_keras().ops
    angle = draws.uniform(options.rotation * math.pi / 180)
    scale_x, scale_y = (1 + draws.uniform(options.zoom) for _ in range(2))
    shift_x, shift_y = (draws.uniform(options.shift) * IMAGE_SIZE for _ in range(2))
    if options.flip:
        scale_x = scale_x * ops.where(draws.uniform(1.0) < 0, -1.0, 1.0)
    centre = (IMAGE_SIZE - 1) / 2
    a0, a1 = ops.cos(angle) * scale_x, -ops.sin(angle) * scale_y
    b0, b1 = ops.sin(angle) * scale_x, ops.cos(angle) * scale_y
    a2 = centre - centre * (a0 + a1) + shift_x
    b2 = centre - centre * (b0 + b1) + shift_y
    zero = ops.zeros_like(angle)
    return ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)


# The map is taken at any strength: what compiles and what is drawn does not depend on it.
ENTRY = Change(options=Options, is_on=lambda options: True, place=1, change=change)  # noqa: ARG005
