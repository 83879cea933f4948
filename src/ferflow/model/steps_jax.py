"""Training steps on JAX: one call a step, or a loop of steps in one call."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from ferflow.model.backend import has_gpu, load_keras
from ferflow.model.mixup import accuracy

keras = load_keras()


class JaxSteps:
    """See `CompiledSteps`.

    A step is the stateless call of the trainer: weights, optimizer and random states go in and come out,
    and their memory is used again. In one call the steps are a `fori_loop`; where it is that of a whole
    epoch, its length is known when it is compiled, and a GPU need not ask the host after each step. On a CPU,
    with a call a step, batches are gathered by NumPy: XLA's gather there takes longer than a small step.

    Args:
        trainer: What `build_trainer` gave.
        network: That it was built from.
        in_one_call: Whether to loop inside of the call. XLA's convolutions on a CPU are some 30 times
            slower in a loop.
    """

    def __init__(self, trainer: Any, network: Any, *, in_one_call: bool) -> None:
        self._trainer, self._network = trainer, network
        self._in_one_call = in_one_call
        self._gathers_on_host = not in_one_call and not has_gpu()
        self._variables = (
            trainer.trainable_variables,
            trainer.non_trainable_variables,
            trainer.optimizer.variables,
        )
        self._state: Any = None
        self._num_steps = 0
        self._one = jax.jit(self._step, donate_argnums=0)
        self._one_of = jax.jit(self._step_of, donate_argnums=0)
        self._some = jax.jit(self._loop, donate_argnums=0)
        self._whole = jax.jit(self._whole_loop, donate_argnums=0)
        self._rate = jax.jit(self._learning_rate)
        self._predict_one = jax.jit(self._answer)
        self._predict_one_of = jax.jit(self._answer_of)
        self._predict_all = jax.jit(self._predict_batches)

    def place(self, images: NDArray[np.uint8], targets: NDArray[np.float32]) -> Any:
        """See `CompiledSteps`; where several devices share batches, each has all images."""
        if self._gathers_on_host:
            return images, targets
        return tuple(jax.device_put(values, _placement()) for values in (images, targets))

    def place_rows(self, rows: NDArray[np.int32]) -> Any:
        """See `CompiledSteps`; each device has the rows of its part of a batch."""
        if self._gathers_on_host:
            return rows
        return jax.device_put(rows.astype(np.int32), _placement(None, "batch"))

    def learning_rate(self) -> float:
        """See `CompiledSteps`; op by op, a schedule takes as long as three steps of a small network."""
        return float(self._rate([variable.value for variable in self._trainer.optimizer.variables]))

    def begin(self) -> None:
        """See `CompiledSteps`."""
        values = [[variable.value for variable in group] for group in self._variables]
        self._state = (values, jax.device_put(np.zeros(2, np.float32), _placement()))
        self._num_steps = 0

    def take(self, data: Any, rows: Any, start: int, stop: int) -> None:
        """See `CompiledSteps`."""
        if self._gathers_on_host:
            for chosen in rows[start:stop]:
                self._state = self._one(self._state, *(_placed_batch(values[chosen]) for values in data))
        elif not self._in_one_call:
            for index in range(start, stop):
                self._state = self._one_of(self._state, data, rows, np.int32(index))
        elif (start, stop) == (0, len(rows)):
            self._state = self._whole(self._state, data, rows)
        else:
            self._state = self._some(self._state, data, rows, np.int32(start), np.int32(stop))
        self._state[1].block_until_ready()
        self._num_steps += stop - start

    def end(self) -> tuple[float, float]:
        """See `CompiledSteps`."""
        values, sums = self._state
        self._state = None
        for group, of_group in zip(self._variables, values, strict=True):
            for variable, value in zip(group, of_group, strict=True):
                variable.assign(value)
        loss, right = (float(value) / self._num_steps for value in np.asarray(sums))
        return loss, right

    def predict(self, data: Any, rows: Any) -> NDArray[np.float64]:
        """See `CompiledSteps`."""
        groups = (self._network.trainable_variables, self._network.non_trainable_variables)
        values = [[variable.value for variable in group] for group in groups]
        if self._in_one_call:
            found = [self._predict_all(values, data[0], rows)]
        elif self._gathers_on_host:
            found = [self._predict_one(values, _placed_batch(data[0][chosen])) for chosen in rows]
        else:
            found = [
                self._predict_one_of(values, data[0], rows, np.int32(index)) for index in range(len(rows))
            ]
        return np.concatenate([np.asarray(batch, np.float64) for batch in found])

    def _learning_rate(self, values: Any) -> Any:
        optimizer = self._trainer.optimizer
        with keras.StatelessScope(state_mapping=zip(optimizer.variables, values, strict=True)):
            return keras.ops.convert_to_tensor(optimizer.learning_rate)

    def _step(self, state: Any, images: Any, targets: Any) -> Any:
        (trainable, others, optimizer), sums = state

        def loss_of(trainable: Any, others: Any) -> Any:
            outputs, others = self._trainer.stateless_call(trainable, others, images, training=True)
            return self._trainer.loss(targets, outputs), (others, outputs)

        (loss, (others, outputs)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, others)
        trainable, optimizer = self._trainer.optimizer.stateless_apply(optimizer, gradients, trainable)
        right = accuracy(targets, outputs).mean()
        return [trainable, others, optimizer], sums + jax.numpy.stack([loss, right])

    def _step_of(self, state: Any, data: Any, rows: Any, index: Any) -> Any:
        return self._step(state, *(values[rows[index]] for values in data))

    def _loop(self, state: Any, data: Any, rows: Any, start: Any, stop: Any) -> Any:
        return jax.lax.fori_loop(start, stop, lambda index, now: self._step_of(now, data, rows, index), state)

    def _whole_loop(self, state: Any, data: Any, rows: Any) -> Any:
        return self._loop(state, data, rows, 0, len(rows))

    def _answer(self, values: Any, images: Any) -> Any:
        return self._network.stateless_call(*values, images, training=False)[0]

    def _answer_of(self, values: Any, images: Any, rows: Any, index: Any) -> Any:
        return self._answer(values, images[rows[index]])

    def _predict_batches(self, values: Any, images: Any, rows: Any) -> Any:
        batches = jax.lax.map(
            lambda index: self._answer_of(values, images, rows, index), np.arange(len(rows))
        )
        return batches.reshape(-1, batches.shape[-1])


def copies_of(variables: Any) -> list[Any]:
    """Copies of the variables' values on the device, made while the host goes on."""
    copied: list[Any] = _copy_all([variable.value for variable in variables])
    return copied


@jax.jit
def _copy_all(values: list[Any]) -> list[Any]:
    return [jax.numpy.copy(value) for value in values]


def _placed_batch(values: NDArray[Any]) -> Any:
    """A batch for a call, shared out over the devices; JAX takes it over by itself where there is one."""
    return (
        values if keras.distribution.distribution() is None else jax.device_put(values, _placement("batch"))
    )


def _placement(*axes: str | None) -> Any:
    """Where an array lies: shared out over the devices along the named axes, else whole on each."""
    shared = keras.distribution.distribution()
    if shared is None:
        return None
    spec = jax.sharding.PartitionSpec(*axes)  # type: ignore[no-untyped-call]
    return jax.sharding.NamedSharding(shared.device_mesh.backend_mesh, spec)
