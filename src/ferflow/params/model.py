"""Section `model`: the network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ferflow.params.section import Dropout, NonNegativeInt, PositiveInt, Section
from ferflow.places import expanded

# What `model.weights` calls those of the network that comes with ferflow.
BUILT_IN_WEIGHTS = "compact"


class ModelParams(Section):
    """The network: backbone, what of it is trained, head."""

    backbone: Literal["resnet50v2", "resnet_v2"]
    weights: str | None
    unfreeze_layers: NonNegativeInt | Literal["all"]
    image_size: Annotated[int, Field(ge=32, le=512)]
    stem: Literal["imagenet", "stride2", "stride1"]
    widths: list[PositiveInt]
    depths: list[PositiveInt]
    pooling: Literal["flatten", "average"]
    dropout_features: Dropout
    dense_units: NonNegativeInt
    dropout_head: Dropout

    @field_validator("weights")
    @classmethod
    def _expanded(cls, value: str | None) -> str | None:
        return None if value is None else expanded(value, key="model.weights")

    @model_validator(mode="after")
    def _keys_fit_backbone(self) -> Self:
        if self.backbone == "resnet50v2" and self.stem != "imagenet" and self.weights == "imagenet":
            raise ValueError(
                f"weights imagenet do not fit stem {self.stem}; use stem imagenet or weights null"
            )
        if self.backbone == "resnet_v2":
            if len(self.widths) != len(self.depths) or not self.widths:
                raise ValueError(
                    f"widths has {len(self.widths)} entries and depths {len(self.depths)}; "
                    "backbone resnet_v2 needs one of each a stage"
                )
            if self.weights == "imagenet":
                raise ValueError(
                    "weights imagenet do not exist for backbone resnet_v2; use null, compact or a path"
                )
        return self
