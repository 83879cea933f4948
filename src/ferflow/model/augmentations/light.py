"""Brightness, and contrast about the mean of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.model.augmentations import Change, column
from ferflow.model.backend import load_keras
from ferflow.params.section import Section

if TYPE_CHECKING:
    from ferflow.model.draws import Draws


class Options(Section):
    """Shares either way, of the full range and of the contrast."""

    brightness: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    contrast: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


def change(images: Any, options: Options, draws: Draws) -> Any:
    """Lighten or darken each image, in its range."""
    ops = load_keras().ops
    contrast = column(1 + draws.uniform(options.contrast))
    brightness = column(draws.uniform(options.brightness) * 255)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return ops.clip((images - mean) * contrast + mean + brightness, 0, 255)


ENTRY = Change(
    options=Options, is_on=lambda options: options.contrast or options.brightness, place=2, change=change
)
