"""Trainers on synthetic images, and their bare compiled step: what the benchmarks of training measure."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ferflow.data.subsets import LabelledImages
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model.backend import load_keras, set_up_process, use_xla
from ferflow.model.network import build_network
from ferflow.model.training import build_trainer
from ferflow.params import Params, load_params
from ferflow.profiles import write_profile

keras = load_keras()

_PROFILES = Path(__file__).resolve().parents[1] / "profiles"


def profile_params(name: str, changes: list[str], *, folder: Path) -> Params:
    """A profile with changes such as `train.epochs=3`.

    Args:
        name: Of the profile.
        changes: `KEY=VALUE` pairs.
        folder: Where its parameter file is written.
    """
    target = folder / "params.yaml"
    write_profile(name, changes, profiles=_PROFILES, target=target)
    return load_params(target)


def random_images(number: int) -> LabelledImages:
    """Images of noise with labels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (number, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    return LabelledImages(images, random.integers(0, len(EMOTIONS), number, dtype=np.uint8))


def fresh_trainer(params: Params) -> Any:
    """The compiled model that `ferflow train` fits, with new weights."""
    set_up_process(params.seed, params.train.precision)
    return build_trainer(build_network(params.model), params, num_images=params.train.batch_size)


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


def peak_mib() -> float:
    """Largest memory that this process had, in MiB: of the GPU where there is one, else resident."""
    if keras.backend.backend() == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()
        if statistics:
            return float(statistics["peak_bytes_in_use"]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
