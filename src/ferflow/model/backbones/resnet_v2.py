"""A narrower ResNetV2 (He et al. 2016, arXiv:1603.05027), by widths and depths."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from ferflow.model.backbones import Backbone
from ferflow.model.residual import Stem, residual_backbone
from ferflow.params.section import PositiveInt


class Options(Stem):
    """Channels and residual blocks of each stage."""

    widths: list[PositiveInt]
    depths: list[PositiveInt]

    @model_validator(mode="after")
    def _one_depth_a_width(self) -> Self:
        if len(self.widths) != len(self.depths) or not self.widths:
            raise ValueError(
                f"widths has {len(self.widths)} entries and depths {len(self.depths)}; "
                "backbone resnet_v2 needs one of each a stage"
            )
        return self


def build(options: Options, *, size: int, weights: str | None) -> Any:  # noqa: ARG001 (there are none)
    """Two convolutions of 3x3 a block, on grey pixels."""
    return residual_backbone(options.widths, options.depths, stem=options.stem, size=size)


ENTRY = Backbone(options=Options, build=build)
