"""GridMask (Chen et al. 2020, arXiv:2001.04086): squares of a grid become grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.model.augmentations import Change, column, pixel_line
from ferflow.model.backend import load_keras
from ferflow.params.section import Section, Share

if TYPE_CHECKING:
    from ferflow.model.draws import Draws

# Of the paper, as shares of the side: the grid's unit is drawn between a little under and over half of it.
_SMALLEST_UNIT, _LARGEST_UNIT = 20.0, 48.0
# In the middle of the range: 0 for a network that takes pixels from -1 to 1.
_GREY = 127.5


class Options(Section):
    """Share of the images, and how much of each line of the grid stays."""

    grid_mask: Share = 0.0
    grid_mask_kept: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.6


def change(images: Any, options: Options, draws: Draws) -> Any:
    """Cover a grid of squares, of a random unit and place, in the share `grid_mask` of the images."""
    ops = load_keras().ops
    covered = column(draws.share() < options.grid_mask)
    unit = column(_SMALLEST_UNIT + draws.share() * (_LARGEST_UNIT - _SMALLEST_UNIT))
    for axis in (1, 2):
        start = column(draws.share()) * unit
        covered = covered & (ops.mod(pixel_line(axis) + start, unit) >= options.grid_mask_kept * unit)
    return ops.where(covered, _GREY, images)


ENTRY = Change(options=Options, is_on=lambda options: options.grid_mask, place=4, change=change)
