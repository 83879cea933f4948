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
    optimizer = optimizers.REGISTRY.get(params.optimizer).build(params.optimizer_options, rate)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
