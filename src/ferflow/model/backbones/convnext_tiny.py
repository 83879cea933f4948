"""ConvNeXt-Tiny (Liu et al. 2022, arXiv:2201.03545): convolutions in the manner of a transformer."""

from __future__ import annotations

from typing import Any

from ferflow.model.backbones import Backbone, from_applications
from ferflow.params.section import Section


def build(options: Section, *, size: int, weights: str | None) -> Any:  # noqa: ARG001 (it has none)
    """The network of `keras.applications`, which scales pixels itself."""
    return from_applications("ConvNeXtTiny", size=size, weights=weights)


ENTRY = Backbone(options=Section, build=build, pixel_range=(0.0, 255.0), has_imagenet=True)
