"""MobileNetV3-Small (Howard et al. 2019, arXiv:1905.02244), made for telephones."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ferflow.model.backbones import Backbone, from_applications
from ferflow.params.section import Section


class Options(Section):
    """Its width, as a multiple of the published one."""

    weights: str | None
    mobilenet_width: Annotated[float, Field(ge=0.25, le=2)] = 1.0

    @model_validator(mode="after")
    def _weights_fit_width(self) -> Self:
        if self.weights == "imagenet" and self.mobilenet_width not in (0.75, 1.0):
            raise ValueError(
                f"weights imagenet do not fit mobilenet_width {self.mobilenet_width}; use 0.75 or 1.0, or "
                "weights null"
            )
        return self


def build(options: Options, *, size: int, weights: str | None) -> Any:
    """The network of `keras.applications`."""
    width = options.mobilenet_width
    return from_applications(
        "MobileNetV3Small", size=size, weights=weights, alpha=width, include_preprocessing=False
    )


ENTRY = Backbone(options=Options, build=build, has_imagenet=True)
