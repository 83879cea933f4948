"""Section `model`: the network."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ferflow.params.entries import OpenSection, registry
from ferflow.params.section import Dropout, NonNegativeInt, PathText

# What `model.weights` calls those of the network that comes with ferflow.
BUILT_IN_WEIGHTS = "compact"


class ModelParams(OpenSection):
    """The network: backbone, what of it is trained, head."""

    packages: ClassVar = ("ferflow.model.backbones",)

    backbone: str
    weights: PathText | None
    unfreeze_layers: NonNegativeInt | Literal["all"]
    image_size: Annotated[int, Field(ge=32, le=512)]
    pooling: Literal["flatten", "average"]
    dropout_features: Dropout
    dense_units: NonNegativeInt
    dropout_head: Dropout

    @model_validator(mode="after")
    def _weights_exist(self) -> Self:
        if self.weights == "imagenet" and not self._entry.has_imagenet:
            raise ValueError(
                f"weights imagenet do not exist for backbone {self.backbone}; use null, compact or a path"
            )
        return self

    @property
    def backbone_options(self) -> Any:
        """The keys that the backbone reads."""
        return self.options(self._entry.options)

    @property
    def _entry(self) -> Any:
        return registry(self.packages[0]).get(self.backbone)
