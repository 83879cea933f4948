"""Training steps on TensorFlow: a loop of steps in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ferflow.model.backend import use_xla


class TensorFlowSteps:
    """See `CompiledSteps`.

    The step is Keras' own `train_step`, so that it computes what `fit` does, to the bit.

    Args:
        trainer: What `build_trainer` gave.
        network: That it was built from.
    """

    def __init__(self, trainer: Any, network: Any) -> None:
        self._trainer, self._network = trainer, network
        self._train = _compiled(lambda *batch: trainer.train_step(batch))
        self._answer = _compiled(lambda images: network(images, training=False))
        # Of any number of images: blocks and whole data sets alike.
        self._take = tf.function(self._loop, autograph=False, reduce_retracing=True)
        self._predict = tf.function(self._predict_batches, autograph=False, reduce_retracing=True)

    def place(self, images: NDArray[np.uint8], targets: NDArray[np.float32]) -> Any:
        """See `CompiledSteps`."""
        return tf.constant(images), tf.constant(targets)

    def place_rows(self, rows: NDArray[np.int32]) -> Any:
        """See `CompiledSteps`."""
        return tf.constant(rows, tf.int32)

    def learning_rate(self) -> float:
        """See `CompiledSteps`."""
        return float(self._trainer.optimizer.learning_rate)

    def begin(self) -> None:
        """See `CompiledSteps`."""
        self._trainer.reset_metrics()

    def take(self, data: Any, rows: Any, start: int, stop: int) -> None:
        """See `CompiledSteps`."""
        self._take(*data, rows, tf.constant(start), tf.constant(stop)).numpy()

    def end(self) -> tuple[float, float]:
        """See `CompiledSteps`."""
        means = self._trainer.get_metrics_result()
        return float(means["loss"]), float(means["accuracy"])

    def predict(self, data: Any, rows: Any) -> NDArray[np.float64]:
        """See `CompiledSteps`."""
        return np.asarray(self._predict(data[0], rows).numpy(), np.float64)

    def _loop(self, images: Any, targets: Any, rows: Any, start: Any, stop: Any) -> Any:
        def step(index: Any) -> tuple[Any]:
            chosen = rows[index]
            self._train(tf.gather(images, chosen), tf.gather(targets, chosen))
            return (index + 1,)

        (done,) = tf.while_loop(lambda index: index < stop, step, (start,), parallel_iterations=1)
        return done

    def _predict_batches(self, images: Any, rows: Any) -> Any:
        number = tf.shape(rows)[0]

        def step(index: Any, found: Any) -> tuple[Any, Any]:
            return index + 1, found.write(index, self._answer(tf.gather(images, rows[index])))

        answers = tf.TensorArray(tf.float32, size=number)
        # The next batch fills the cores where one waits for a single thread: an eighth less time on two.
        _, answers = tf.while_loop(
            lambda index, _: index < number, step, (tf.constant(0), answers), parallel_iterations=2
        )
        return answers.concat()


def _compiled(function: Any) -> Any:
    """The function as part of a graph; by XLA where that is faster."""
    return tf.function(function, autograph=False, jit_compile=True) if use_xla() else function
