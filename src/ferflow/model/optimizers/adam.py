"""Adam (Kingma & Ba 2015, arXiv:1412.6980), without weight decay."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from ferflow.model.backend import load_keras
from ferflow.model.optimizers import Optimizer
from ferflow.params.section import Section


class Options(Section):
    """It has no weight decay."""

    weight_decay: float

    @model_validator(mode="after")
    def _has_no_decay(self) -> Self:
        if self.weight_decay:
            raise ValueError(
                f"weight_decay is {self.weight_decay}, but optimizer adam has none; use adamw or 0.0"
            )
        return self


def build(options: Options, rate: Any) -> Any:  # noqa: ARG001 (it has none)
    """Keras' own."""
    return load_keras().optimizers.Adam(rate)


ENTRY = Optimizer(options=Options, build=build, num_slots=2)
