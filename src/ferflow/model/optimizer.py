"""Optimizers and schedules of the learning rate."""

from __future__ import annotations

from typing import Any

from ferflow.model import optimizers
from ferflow.model.backend import load_keras
from ferflow.params import TrainParams

keras = load_keras()


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
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else params.learning_rate,
            decay_steps=decay_steps,
            warmup_target=params.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    entry = optimizers.REGISTRY.get(params.optimizer)
    optimizer = _with_one_rate_a_step(entry.build(params.optimizer_options, rate))
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


class _OneRateAStep:
    """Has an optimizer compute its rate once a step.

    Keras computes a schedule again for each weight that decays. The values are the same, but half of the
    operations of a small network's step were those of the schedule.
    """

    _rate: Any = None

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """As the optimizer does."""
        object.__setattr__(self, "_rate", self.learning_rate)  # Keras would track it.
        try:
            super().apply(grads, trainable_variables)  # type: ignore[misc]
        finally:
            object.__setattr__(self, "_rate", None)

    @property
    def learning_rate(self) -> Any:
        """The rate of this step."""
        return super().learning_rate if self._rate is None else self._rate  # type: ignore[misc]

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        keras.optimizers.Optimizer.learning_rate.fset(self, rate)


def _with_one_rate_a_step(optimizer: Any) -> Any:
    kind = type(optimizer)
    optimizer.__class__ = type(kind.__name__, (_OneRateAStep, kind), {})
    return optimizer
