"""An exponential moving average of a network's weights, kept inside the training step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ferflow.model.backend import load_keras

keras = load_keras()


class WeightAverage(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Passes values through; each training step moves the averages towards the network's weights.

    All weights are averaged, those of BatchNorm's running statistics too, as they were before the
    step. The momentum grows as min(momentum, (1 + steps) / (10 + steps)), so that the random
    initial weights are soon forgotten (`ExponentialMovingAverage` of TensorFlow). Keras' own
    (`use_ema` of its optimizers) leaves the running statistics out.

    Args:
        network: A network of `build_network`; it has to be called before this layer is.
        momentum: Share of the former average that a step keeps, below 1.
    """

    def __init__(self, network: Any, momentum: float, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.momentum = momentum
        # Keras would count the network's weights as this layer's, if it saw the assignment.
        object.__setattr__(self, "_network", network)
        self.num_steps = self._add("num_steps", (), "zeros")
        self.averages = [
            self._add(f"average_{index}", weight.shape, "zeros")
            for index, weight in enumerate(network.weights)
        ]
        # Copies: JAX would share the array, and cannot give one away to a step twice.
        for average, values in zip(self.averages, network.get_weights(), strict=True):
            average.assign(np.array(values))

    def call(self, values: Any, training: bool = False) -> Any:
        """The same values; see the class."""
        if training:
            grown = (1 + self.num_steps) / (10 + self.num_steps)
            kept = keras.ops.minimum(self.momentum, grown)
            self.num_steps.assign_add(1)
            for average, weight in zip(self.averages, self._network.weights, strict=True):
                average.assign(average + (1 - kept) * (weight - average))
        return values

    def _add(self, name: str, shape: tuple[int, ...], initializer: str) -> Any:
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, trainable=False, autocast=False
        )


@contextmanager
def averaged_weights(network: Any, trainer: Any) -> Iterator[None]:
    """Give the network the averages of the trainer's `WeightAverage` while the block runs.

    Without such a layer the network keeps its weights.
    """
    layer = next((layer for layer in trainer.layers if isinstance(layer, WeightAverage)), None)
    if layer is None:
        yield
        return
    # On the device: a GPU would wait for the way over the host.
    own = [keras.ops.copy(weight.value) for weight in network.weights]
    for weight, average in zip(network.weights, layer.averages, strict=True):
        weight.assign(keras.ops.copy(average.value))
    try:
        yield
    finally:
        for weight, value in zip(network.weights, own, strict=True):
            weight.assign(value)
