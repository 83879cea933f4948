"""ResNet50V2 (He et al. 2016, arXiv:1603.05027), the paper's backbone, also with smaller stems."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from ferflow.model.backbones import Backbone
from ferflow.model.backend import load_keras
from ferflow.model.residual import Stem, residual_backbone

_WIDTHS = (64, 128, 256, 512)
_DEPTHS = (3, 4, 6, 3)


class Options(Stem):
    """The stem; ImageNet weights exist for the published one."""

    weights: str | None

    @model_validator(mode="after")
    def _weights_fit_stem(self) -> Self:
        if self.stem != "imagenet" and self.weights == "imagenet":
            raise ValueError(
                f"weights imagenet do not fit stem {self.stem}; use stem imagenet or weights null"
            )
        return self


def build(options: Options, *, size: int, weights: str | None) -> Any:
    """The network of `keras.applications`, or its blocks behind a smaller stem that takes grey pixels."""
    if options.stem != "imagenet":
        return residual_backbone(_WIDTHS, _DEPTHS, stem=options.stem, size=size, bottleneck=True)
    keras = load_keras()
    pixels = keras.Input((size, size, 3), name="pixels")
    return keras.applications.ResNet50V2(include_top=False, weights=weights, input_tensor=pixels)


ENTRY = Backbone(options=Options, build=build, has_imagenet=True)
