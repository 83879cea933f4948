"""Optimizers and schedules of the learning rate."""

from __future__ import annotations

import math
from typing import Any

from ferflow.model import optimizers
from ferflow.model.backend import load_keras
from ferflow.params import TrainParams

keras = load_keras()


class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc, name-defined]
    """From zero to the rate in a straight line, then by half a cosine to zero.

    The values of Keras' `CosineDecay`. That one branches, and JAX traces a branch anew each time that the
    rate is looked at outside of a compiled step: 58 ms an epoch on a CPU, as much as four steps of a tiny
    network.

    Args:
        rate: The highest.
        warmup_steps: Steps of the rise; 0: none.
        decay_steps: Steps of the fall.
    """

    def __init__(self, rate: float, *, warmup_steps: int, decay_steps: int) -> None:
        self._rate = rate
        self._warmup_steps, self._decay_steps = warmup_steps, decay_steps

    def __call__(self, step: Any) -> Any:
        """The rate at a step, counted from 0."""
        ops = keras.ops
        step = ops.cast(step, "float32")
        rising = step / max(1, self._warmup_steps)
        share = ops.minimum((step - self._warmup_steps) / self._decay_steps, 1.0)
        falling = 0.5 * (1 + ops.cos(math.pi * share))
        return self._rate * ops.where(step < self._warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"rate": self._rate, "warmup_steps": self._warmup_steps, "decay_steps": self._decay_steps}


def build_optimizer(params: TrainParams, steps_per_epoch: int) -> Any:
    """The optimizer that the parameters describe; its weight decay spares biases and BatchNorm.

    Args:
        params: The parameters of the optimisation.
        steps_per_epoch: Turns the epochs of the schedule into steps.
    """
    rate: Any = params.learning_rate
    if params.schedule == "cosine":
        warmup_steps = round(params.warmup_epochs * steps_per_epoch)
        decay_steps = max(1, params.epochs * steps_per_epoch - warmup_steps)
        rate = WarmUpCosine(params.learning_rate, warmup_steps=warmup_steps, decay_steps=decay_steps)
    optimizer = optimizers.REGISTRY.get(params.optimizer).build(params.optimizer_options, rate)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
