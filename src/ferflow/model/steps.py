"""Many training steps in one call of the backend: the data lie on the device, batches are gathered there."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferflow import model
from ferflow.model.backend import load_keras

keras = load_keras()


class CompiledSteps(Protocol):
    """Compiled steps of one trainer. From `begin` to `end` they alone hold the values of its variables."""

    def place(self, images: NDArray[np.uint8], targets: NDArray[np.float32]) -> Any:
        """Put images (M, 48, 48, 1) and their targets (M, ...) on the device; returns their handle."""

    def place_rows(self, rows: NDArray[np.int32]) -> Any:
        """Put on the device which images each step takes, (S, batch size); returns their handle."""

    def learning_rate(self) -> float:
        """The rate of the next step."""

    def begin(self) -> None:
        """Start an epoch: the sums of loss and accuracy are zero."""

    def take(self, data: Any, rows: Any, start: int, stop: int) -> None:
        """Take the steps from `start` on and before `stop`, and wait for the last.

        Args:
            data: What `place` gave.
            rows: What `place_rows` gave, whose images are those of `data`.
            start: First step.
            stop: The step after the last.
        """

    def end(self) -> tuple[float, float]:
        """Give the variables back; returns the means of loss and accuracy over the steps since `begin`."""

    def predict(self, data: Any, rows: Any) -> NDArray[np.float64]:
        """Run the network over images, with one transfer of all probabilities at the end.

        Returns:
            (S x batch size, 7) probabilities.
        """


def compile_steps(trainer: Any, network: Any, *, in_one_call: bool) -> CompiledSteps:
    """The steps of a trainer, for the backend in use; compiled when the first is taken.

    Args:
        trainer: What `build_trainer` gave.
        network: That it was built from.
        in_one_call: Whether JAX is to run several steps in one call. TensorFlow always does.
    """
    if keras.backend.backend() == "jax":
        return model.steps_jax.JaxSteps(trainer, network, in_one_call=in_one_call)
    return model.steps_tensorflow.TensorFlowSteps(trainer, network)
