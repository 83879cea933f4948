"""Mixup (Zhang et al. 2018, arXiv:1710.09412): sums of two images, and of their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ferflow.model.augmentations import Mixture, column
from ferflow.model.backend import load_keras
from ferflow.params.section import Section

if TYPE_CHECKING:
    from ferflow.model.draws import Draws


class Options(Section):
    """Alpha of Beta(alpha, alpha), from which the share of an image is drawn; 0 mixes nothing."""

    mixup: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


def mix(images: Any, others: Any, options: Options, draws: Draws) -> tuple[Any, Any]:
    """Add up each image and its other, by a share that is drawn for each."""
    share = column(draws.beta(options.mixup))
    return share * images + (1 - share) * others, load_keras().ops.reshape(share, (-1, 1))


ENTRY = Mixture(options=Options, is_on=lambda options: options.mixup, mix=mix)
