"""Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

from __future__ import annotations

from typing import Any

from ferflow.model.backend import load_keras
from ferflow.model.optimizers import Optimizer
from ferflow.params.section import Section


class Options(Section):
    """The decay of the weights."""

    weight_decay: float


def build(options: Options, rate: Any) -> Any:
    """Keras' own."""
    return load_keras().optimizers.AdamW(rate, weight_decay=options.weight_decay)


ENTRY = Optimizer(options=Options, build=build, num_slots=2)
