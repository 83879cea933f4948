"""EfficientNetV2-B0 (Tan & Le 2021, arXiv:2104.00298)."""

from __future__ import annotations

from typing import Any

from ferflow.model.backbones import Backbone, from_applications
from ferflow.params.section import Section


def build(options: Section, *, size: int, weights: str | None) -> Any:  # noqa: ARG001 (it has none)
    """The network of `keras.applications`, which scales pixels itself."""
    return from_applications("EfficientNetV2B0", size=size, weights=weights)


ENTRY = Backbone(options=Section, build=build, pixel_range=(0.0, 255.0), has_imagenet=True)
