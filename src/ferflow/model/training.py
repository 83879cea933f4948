"""Training: the same steps on every Keras backend, resumable to the bit.

The order of an epoch is drawn from (seed, epoch), and the states of all other random draws
(augmentation, mixup, dropout) are variables of the trainer, saved with its weights. A run that
goes on from the end of an epoch therefore ends with the weights of one that never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.subsets import LabelledImages
from ferflow.errors import ModelError
from ferflow.model.augment import Augment, Mixtures
from ferflow.model.averaging import WeightAverage, averaged_weights
from ferflow.model.backend import load_keras, memory_errors, use_xla
from ferflow.model.checkpoint import (
    CheckpointStore,
    CheckpointWriter,
    arrays_to_variables,
    variables_to_arrays,
)
from ferflow.model.epochs import Epochs
from ferflow.model.mixup import MixedCrossEntropy, accuracy
from ferflow.model.network import set_trainable_layers
from ferflow.model.optimizer import build_optimizer
from ferflow.model.prediction import check_probabilities
from ferflow.model.state import TrainingState
from ferflow.model.teacher import load_teacher, softened
from ferflow.params import Params
from ferflow.progress import say, track

keras = load_keras()


class StepProgress:
    """Shows how many steps are taken.

    Args:
        num_steps: The number of steps of all epochs that are left.
    """

    def __init__(self, num_steps: int) -> None:
        self._steps = track(range(num_steps), total=num_steps, label="training", unit="steps")
        next(self._steps, None)  # A step counts as done when the next one is asked for.

    def advance(self, number: int) -> None:
        """Count steps that were taken."""
        for _ in range(number):
            next(self._steps, None)

    def close(self) -> None:
        """End the display."""
        self._steps.close()


def train_network(
    network: Any,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    params: Params,
    checkpoints: CheckpointStore,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> TrainingState:
    """Train a network in place; it ends with the weights of the best epoch on the validation images.

    Goes on from the newest checkpoint of the same run, if there is one. With `train.ema_momentum`
    the averaged weights are validated and kept.

    Args:
        network: A network of `build_network`.
        training: Images to fit.
        validation: Images that choose the epoch, reduce the rate and stop the run.
        params: Sections `train`, `augment` and `seed` are used, and `model.unfreeze_layers`.
        checkpoints: Where each epoch's state is kept.
        on_epoch: Called with the history row of each finished epoch.

    Returns:
        The state after the last epoch, with the whole history.

    Raises:
        ModelError: The loss is not finite, memory is short, the teacher is missing, or there are fewer layers
            than `train.unfreeze` names.
        DataError: The teacher's stored probabilities are not of these images.
        OutputError: A checkpoint cannot be written.
    """
    num_images = len(training.images)
    _check_unfreezing(network, params)
    trainer = build_trainer(network, params, num_images=num_images)
    state, best_weights = _restore(trainer, network, params, checkpoints=checkpoints, num_images=num_images)
    teacher = load_teacher(params.train, training.images, kept_in=checkpoints.directory.with_name("teachers"))
    num_epochs = params.train.epochs - state.epoch
    progress = StepProgress(math.ceil(num_images / params.train.batch_size) * num_epochs)
    with CheckpointWriter(checkpoints) as writer:
        epochs: Epochs | None = None
        while not state.is_ended(params.train):
            _unfreeze(trainer, network, params, epoch=state.epoch, num_images=num_images)
            with memory_errors("train.batch_size", params.train.batch_size, params.model.image_size):
                if epochs is None or epochs.optimizer is not trainer.optimizer:
                    epochs = build_epochs(trainer, network, training, params, teacher)
                fitted = fit_epoch(epochs, params=params, epoch=state.epoch, progress=progress)
                with averaged_weights(network, trainer):
                    row = {"epoch": state.epoch + 1, **fitted, **validate_epoch(epochs, validation)}
                    if state.advance(row):
                        best_weights = variables_to_arrays("best", network.weights)
            factor = state.rate_factor(params.train)
            if factor != 1:
                trainer.optimizer.learning_rate = float(trainer.optimizer.learning_rate) * factor
            save_epoch(state, trainer, best_weights, writer)
            if on_epoch is not None:
                on_epoch(row)
    progress.close()
    arrays_to_variables("best", best_weights, network.weights)
    return state


def _check_unfreezing(network: Any, params: Params) -> None:
    """See that every stage of it fits the network, not only when its epoch comes; leaves the first one."""
    for stage in params.train.unfreeze:
        set_trainable_layers(network, stage.layers, key="train.unfreeze")
    set_trainable_layers(network, params.model.unfreeze_layers)


def build_epochs(
    trainer: Any,
    network: Any,
    training: LabelledImages,
    params: Params,
    teacher: NDArray[np.float32] | None = None,
) -> Epochs:
    """The epochs of a trainer of `build_trainer`, over all training images.

    Args:
        trainer: What `build_trainer` gave.
        network: That it was built from.
        training: Images to fit.
        params: Section `train` and `seed` are used.
        teacher: (N, 7) of `load_teacher`.
    """
    targets = training.targets() if params.train.targets == "labels" else training.soft_targets()
    if teacher is not None:
        targets = np.hstack([targets, softened(teacher, params.train.teacher_temperature)])
    return Epochs(trainer, network, training, targets, params=params.train, seed=params.seed)


def build_trainer(network: Any, params: Params, *, num_images: int) -> Any:
    """The compiled model that is fitted: augmentation, mixup, then the network up to its logits.

    Args:
        network: A network of `build_network`; its weights are shared.
        params: Sections `train`, `augment` and `seed` are used.
        num_images: Number of training images; with the batch size it gives the steps of the schedule.

    Returns:
        A `keras.Model` from (N, 48, 48, 1) uint8 to (N, 8): logits, and the share of the image
        itself in its mixture.
    """
    logits = keras.Model(network.input, network.get_layer("logits").output)
    images = keras.Input(network.input_shape[1:], dtype="uint8")
    augmented = Augment(params.augment, seed=params.seed, name="augment")(images)
    mixed, share = Mixtures(params.augment, seed=params.seed + 1, name="mixup")(augmented)
    values = logits(mixed)
    if params.train.ema_momentum:
        values = WeightAverage(network, params.train.ema_momentum, name="weight_average")(values)
    trainer = keras.Model(images, keras.layers.Concatenate(dtype="float32")([values, share]))
    _compile(trainer, params, num_images=num_images)
    return trainer


def _compile(trainer: Any, params: Params, *, num_images: int) -> None:
    """Give the trainer a new optimizer for the weights that are trainable now."""
    trainer.compile(
        optimizer=build_optimizer(params.train, math.ceil(num_images / params.train.batch_size)),
        loss=MixedCrossEntropy(
            params.train.label_smoothing, params.train.teacher_share, params.train.teacher_temperature
        ),
        # Made here: variables that the first step makes have TensorFlow trace it a second time.
        metrics=[keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")],
        jit_compile=use_xla(),
    )
    trainer.optimizer.build(trainer.trainable_variables)


def _unfreeze(trainer: Any, network: Any, params: Params, *, epoch: int, num_images: int) -> None:
    """Make trainable what `train.unfreeze` names for an epoch, counted from 0.

    Where that is a change, the optimizer starts anew, but for the step and the reduced rate.
    """
    stages = [stage for stage in params.train.unfreeze if stage.epoch <= epoch + 1]
    before = [id(variable) for variable in trainer.trainable_variables]
    set_trainable_layers(network, stages[-1].layers if stages else params.model.unfreeze_layers)
    if before == [id(variable) for variable in trainer.trainable_variables]:
        return
    former = trainer.optimizer
    _compile(trainer, params, num_images=num_images)
    trainer.optimizer.iterations.assign(former.iterations)
    if params.train.schedule == "plateau":
        trainer.optimizer.learning_rate = float(former.learning_rate)


def fit_epoch(epochs: Epochs, *, params: Params, epoch: int, progress: StepProgress) -> dict[str, float]:
    """Fit one epoch, counted from 0; returns its learning rate, loss and accuracy."""
    rate = epochs.learning_rate()
    loss, right = epochs.fit(epoch, progress.advance)
    if not math.isfinite(loss):
        raise ModelError(
            f"train: the loss became {loss} in epoch {epoch + 1}; lower train.learning_rate "
            f"(now {params.train.learning_rate:g}), or use train.precision float32"
        )
    return {"learning_rate": rate, "loss": loss, "accuracy": right}


def validate_epoch(epochs: Epochs, validation: LabelledImages) -> dict[str, float]:
    """Score the validation images; returns their loss and accuracy."""
    probabilities = epochs.predict(validation.images)
    check_probabilities(probabilities)
    return {
        "val_loss": _cross_entropy(probabilities, validation.labels),
        "val_accuracy": float((probabilities.argmax(axis=1) == validation.labels).mean()),
    }


def _cross_entropy(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Mean of the negative logarithm of the right class's probability; never infinite."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, keras.config.epsilon())).mean())


def save_epoch(state: TrainingState, trainer: Any, best_weights: Any, writer: CheckpointWriter) -> None:
    """Write a checkpoint of an epoch that is over."""
    arrays = (
        variables_to_arrays("model", trainer.variables)
        | variables_to_arrays("optimizer", trainer.optimizer.variables)
        | best_weights
    )
    writer.save(state.epoch, arrays, asdict(state))


def _restore(
    trainer: Any, network: Any, params: Params, *, checkpoints: CheckpointStore, num_images: int
) -> tuple[TrainingState, Any]:
    found = checkpoints.load()
    if found is None:
        return TrainingState(), variables_to_arrays("best", network.weights)
    arrays, content = found
    state = TrainingState(**content)
    # As they were in the epoch that the checkpoint ended: the optimizer's variables depend on it.
    _unfreeze(trainer, network, params, epoch=state.epoch - 1, num_images=num_images)
    arrays_to_variables("model", arrays, trainer.variables)
    arrays_to_variables("optimizer", arrays, trainer.optimizer.variables)
    say(f"going on after epoch {state.epoch} of a run that was stopped")
    return state, {name: value for name, value in arrays.items() if name.startswith("best")}
