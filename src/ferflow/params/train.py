"""Section `train`: the optimisation."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ferflow.params.entries import OpenSection, registry
from ferflow.params.section import (
    Dropout,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveInt,
    Section,
    Share,
)


class Unfreezing(Section):
    """A stage of training: from an epoch on, counted from 1, so many last backbone layers are trained."""

    epoch: Annotated[int, Field(ge=2, le=10_000)]
    layers: NonNegativeInt | Literal["all"]


class TrainParams(OpenSection):
    """The optimisation: how long, how fast, when to stop."""

    packages: ClassVar = ("ferflow.model.optimizers",)

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=8192)]
    optimizer: str
    learning_rate: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
    schedule: Literal["plateau", "cosine"]
    warmup_epochs: NonNegativeFloat
    weight_decay: Share
    label_smoothing: Dropout
    ema_momentum: Dropout
    targets: Literal["labels", "votes"]
    teacher: PathText | None
    teacher_share: Share
    teacher_temperature: Annotated[float, Field(gt=0, le=20, allow_inf_nan=False)]
    unfreeze: list[Unfreezing]
    plateau_factor: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    plateau_patience: PositiveInt
    early_stopping_patience: NonNegativeInt
    precision: Literal["auto", "float32", "mixed_bfloat16"]
    devices: Annotated[int, Field(ge=1, le=64)]
    steps_per_dispatch: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"]
    device_data_mib: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"]

    @model_validator(mode="after")
    def _devices_share_a_batch(self) -> Self:
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size is {self.batch_size}, which {self.devices} devices cannot share evenly; make it "
                "a multiple of devices"
            )
        return self

    @model_validator(mode="after")
    def _keys_fit_epochs(self) -> Self:
        if self.schedule == "cosine" and self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs:g}, expected less than epochs ({self.epochs}); "
                "lower warmup_epochs or raise epochs"
            )
        starts = [stage.epoch for stage in self.unfreeze]
        if starts != sorted(set(starts)) or max(starts, default=0) > self.epochs:
            raise ValueError(
                f"unfreeze has stages from epochs {starts}, expected rising numbers up to epochs "
                f"({self.epochs}); order them or raise epochs"
            )
        return self

    @property
    def optimizer_options(self) -> Any:
        """The keys that the optimizer reads."""
        return self.options(registry(self.packages[0]).get(self.optimizer).options)
