"""Stochastic gradient descent with Nesterov momentum."""

from __future__ import annotations

from typing import Any

from ferflow.model.backend import load_keras
from ferflow.model.optimizers import Optimizer
from ferflow.params.section import Dropout, Section


class Options(Section):
    """Momentum, and the decay of the weights."""

    momentum: Dropout
    weight_decay: float


def build(options: Options, rate: Any) -> Any:
    """Nesterov's where there is momentum."""
    return load_keras().optimizers.SGD(
        rate,
        momentum=options.momentum,
        nesterov=options.momentum > 0,
        weight_decay=options.weight_decay or None,
    )


ENTRY = Optimizer(options=Options, build=build, num_slots=1)
