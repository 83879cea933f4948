"""Trainers on synthetic images, and their bare compiled step: what the benchmarks of training measure."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.subsets import LabelledImages
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model.averaging import averaged_weights
from ferflow.model.backend import load_keras, set_up_process, use_xla
from ferflow.model.checkpoint import CheckpointStore, CheckpointWriter, variables_to_arrays
from ferflow.model.epochs import Epochs
from ferflow.model.network import build_network
from ferflow.model.state import TrainingState
from ferflow.model.training import (
    StepProgress,
    build_epochs,
    build_trainer,
    fit_epoch,
    save_epoch,
    validate_epoch,
)
from ferflow.params import Params

keras = load_keras()

# Training images of FER-2013 but for the validation share of profile cpu.
EPOCH_IMAGES = 25_838


def random_images(number: int) -> LabelledImages:
    """Images of noise with labels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (number, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    return LabelledImages(images, random.integers(0, len(EMOTIONS), number, dtype=np.uint8))


def fresh_trainer(params: Params) -> tuple[Any, Any]:
    """The compiled model that `ferflow train` fits, with new weights, and its network."""
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    return build_trainer(network, params, num_images=EPOCH_IMAGES), network


def compare_with_bare_step(
    trainer: Any, network: Any, params: Params, *, steps: int, turns: int
) -> dict[str, Any]:
    """Time `fit`, the epochs of `ferflow train`, and the bare step in turns.

    An epoch of `fit` is that of so many steps, and all that it costs to begin and to end one is part of it.
    Every other turn starts with the bare step.

    Args:
        trainer: Of `fresh_trainer`.
        network: The network that goes with it.
        params: What they were built from.
        steps: Of each of the two in a turn; at most those of an epoch of FER-2013.
        turns: How many count; two before them compile and choose how many steps a call takes.

    Returns:
        Images a second of both, the median ratio of `fit` to the bare step with the lowest and highest
        of a turn, the same of processor time (which other work on the machine changes less),
        milliseconds of a step, peak MiB.
    """
    batch_size = params.train.batch_size
    steps = min(steps, math.ceil(EPOCH_IMAGES / batch_size))
    epochs = build_epochs(trainer, network, random_images(steps * batch_size), params)
    take_bare = bare_step(trainer, random_images(batch_size))
    fits, bares = (np.zeros((turns + 2, 2)) for _ in range(2))
    for turn in range(turns + 2):
        if turn % 2:
            bares[turn] = _time_bare(take_bare, steps)
        fits[turn] = _time_fit(epochs, params, turn=turn) / steps
        if not turn % 2:
            bares[turn] = _time_bare(take_bare, steps)
    (fit, _), (bare, _) = (np.median(times[2:], axis=0) for times in (fits, bares))
    ratios = bares[2:] / fits[2:]
    return {
        "backend": keras.backend.backend(),
        "image_size": params.model.image_size,
        "batch_size": batch_size,
        "precision": params.train.precision,
        "steps_per_dispatch": params.train.steps_per_dispatch,
        "images_per_second": float(batch_size / fit),
        "bare_images_per_second": float(batch_size / bare),
        "ratio_to_bare_step": float(np.median(ratios[:, 0])),
        "ratios_of_turns": [float(ratios[:, 0].min()), float(ratios[:, 0].max())],
        "processor_ratio_to_bare_step": float(np.median(ratios[:, 1])),
        "step_ms": float(1000 * fit),
        "bare_step_ms": float(1000 * bare),
        "peak_mib": peak_mib(),
    }


def now() -> NDArray[np.float64]:
    """(2,) seconds: of the clock, and of processor time of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _time_bare(take: Callable[[int], float], steps: int) -> NDArray[np.float64]:
    """(2,) seconds of a step, as `now` counts them."""
    started = now()
    take(steps)
    return (now() - started) / steps


def _time_fit(epochs: Epochs, params: Params, *, turn: int) -> NDArray[np.float64]:
    """(2,) seconds of an epoch of `fit`, as `now` counts them."""
    progress = StepProgress(1)
    started = now()
    fit_epoch(epochs, params=params, epoch=turn, progress=progress)
    ended = now()
    progress.close()
    return ended - started


def begin_epoch(params: Params, images: LabelledImages, *, steps: int, checkpoints: Path) -> None:
    """Do all that an epoch of training does, but for most of its steps.

    Args:
        params: Of the training.
        images: Those of the epoch; its first batches are validated as well.
        steps: Steps of training.
        checkpoints: Folder that a checkpoint is written to.
    """
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    trainer = build_trainer(network, params, num_images=len(images.images))
    best_weights = variables_to_arrays("best", network.weights)
    epochs = build_epochs(trainer, network, images, params)
    row = {"epoch": 1.0, "loss": epochs.fit(0, lambda _: None, num_steps=steps)[0]}
    few = slice(0, 2 * params.train.batch_size)
    state = TrainingState()
    with averaged_weights(network, trainer):
        row |= validate_epoch(epochs, LabelledImages(images.images[few], images.labels[few]))
        if state.advance(row):
            best_weights = variables_to_arrays("best", network.weights)
    with CheckpointWriter(CheckpointStore(checkpoints, "benchmark")) as writer:
        save_epoch(state, trainer, best_weights, writer)


def bare_step(trainer: Any, images: LabelledImages) -> Callable[[int], float]:
    """The trainer's step without the loop of Keras: no data to cut, no metrics, no callbacks.

    Args:
        trainer: Of `fresh_trainer`; on JAX its own weights stay as they are.
        images: The one batch of every step.

    Returns:
        A function that takes so many steps and returns the last loss, when all are done.
    """
    if keras.backend.backend() == "jax":
        return _bare_jax_step(trainer, images)
    return _bare_tensorflow_step(trainer, images)


def _bare_tensorflow_step(trainer: Any, images: LabelledImages) -> Callable[[int], float]:
    import tensorflow as tf

    batch, targets = tf.constant(images.inputs()), tf.constant(images.targets())

    @tf.function(jit_compile=use_xla())  # type: ignore[misc]
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = trainer.loss(targets, trainer(batch, training=True))
        trainer.optimizer.apply(tape.gradient(loss, trainer.trainable_variables), trainer.trainable_variables)
        return loss

    def take(number: int) -> float:
        for _ in range(number):
            loss = step()
        return float(loss)

    return take


def _bare_jax_step(trainer: Any, images: LabelledImages) -> Callable[[int], float]:
    step, state, batch = jax_step(trainer, images)

    def take(number: int) -> float:
        nonlocal state
        for _ in range(number):
            loss, *state = step(*state, *batch)
        return float(loss)

    return take


def jax_step(trainer: Any, images: LabelledImages) -> tuple[Any, list[Any], tuple[Any, Any]]:
    """The jitted step on JAX, its state (which it consumes), and a batch on the device.

    Returns:
        A function of the state and the batch that returns the loss and the new state; the state;
        the batch.
    """
    import jax

    def loss_of(trainable: Any, others: Any, batch: Any, targets: Any) -> Any:
        outputs, others = trainer.stateless_call(trainable, others, batch, training=True)
        return trainer.loss(targets, outputs), others

    def step(trainable: Any, others: Any, optimizer: Any, batch: Any, targets: Any) -> Any:
        (loss, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            trainable, others, batch, targets
        )
        trainable, optimizer = trainer.optimizer.stateless_apply(optimizer, gradients, trainable)
        return loss, trainable, others, optimizer

    variables = (trainer.trainable_variables, trainer.non_trainable_variables, trainer.optimizer.variables)
    state = [[jax.numpy.array(variable.value, copy=True) for variable in group] for group in variables]
    batch = (jax.device_put(images.inputs()), jax.device_put(images.targets()))
    return jax.jit(step, donate_argnums=(0, 1, 2)), state, batch


def step_flops(trainer: Any, params: Params) -> float | None:
    """Floating-point operations of one training step on JAX, by XLA's cost analysis.

    Of the step as it is lowered for the CPU, whatever device computes it: the analysis of a program
    compiled for a GPU does not see into the libraries that do its convolutions.

    Args:
        trainer: Of `fresh_trainer`.
        params: What it was built from.

    Returns:
        The number, or None where this JAX cannot say it.
    """
    import jax

    step, state, batch = jax_step(trainer, random_images(params.train.batch_size))
    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), (*state, *batch))
    with jax.default_device(jax.devices("cpu")[0]):
        analysis = step.lower(*shapes).cost_analysis()
    return float(analysis["flops"]) if analysis else None


def peak_mib() -> float:
    """Largest memory that this process had, in MiB: of the GPU where there is one, else resident."""
    if keras.backend.backend() == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()
        if statistics:
            return float(statistics["peak_bytes_in_use"]) / 2**20
    # Not getrusage: that of a new process is at least what the one that started it had.
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
