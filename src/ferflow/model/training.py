"""Training: the same steps on every Keras backend, resumable to the bit.

The order of an epoch is drawn from (seed, epoch), and the states of all other random draws
(augmentation, dropout) are variables of the trainer, saved with its weights. A run that goes on
from the end of an epoch therefore ends with the weights of one that never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.subsets import LabelledImages
from ferflow.errors import ModelError
from ferflow.model.augment import Augment
from ferflow.model.backend import load_keras, memory_errors
from ferflow.model.checkpoint import CheckpointStore, arrays_to_variables, variables_to_arrays
from ferflow.model.prediction import predict_probabilities
from ferflow.params import Params, TrainParams
from ferflow.progress import say, track

keras = load_keras()

HISTORY_COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy")


@dataclass
class TrainingState:
    """What is remembered from epoch to epoch besides weights.

    Attributes:
        epoch: Number of finished epochs.
        best_epoch: The epoch, counted from 1, with the best validation accuracy (the first of equals).
        best_accuracy: That accuracy.
        lowest_loss: The lowest validation loss so far.
        epochs_without_lower_loss: Epochs since then, or since the rate was last reduced.
        history: One row an epoch with `HISTORY_COLUMNS`.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    lowest_loss: float = math.inf
    epochs_without_lower_loss: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
    """The batches of one epoch, in an order drawn from (seed, epoch), all of one size.

    The last batch is filled up with the first images of the order: a batch of another shape would
    be compiled anew, and oneDNN under TensorFlow 2.21 corrupts memory when the shape changes.
    """

    def __init__(self, inputs: Any, targets: Any, *, batch_size: int, order_seed: tuple[int, int]) -> None:
        super().__init__()
        self._inputs = inputs
        self._targets = targets
        order = np.random.default_rng(order_seed).permutation(len(inputs))
        num_batches = math.ceil(len(order) / batch_size)
        self._batches = np.resize(order, (num_batches, batch_size))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = self._batches[index]
        return self._inputs[rows], self._targets[rows]


class _StepProgress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Moves the progress on by one after each step."""

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self._steps = track(range(num_steps), total=num_steps, label="training")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        next(self._steps, None)

    def close(self) -> None:
        """Count the last step and end the display."""
        next(self._steps, None)
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

    Goes on from the newest checkpoint of the same run, if there is one.

    Args:
        network: A network of `build_network`.
        training: Images to fit.
        validation: Images that choose the epoch, reduce the rate and stop the run.
        params: Sections `train`, `augment` and `seed` are used.
        checkpoints: Where each epoch's state is kept.
        on_epoch: Called with the history row of each finished epoch.

    Returns:
        The state after the last epoch, with the whole history.

    Raises:
        ModelError: The loss is no longer finite, or the batch does not fit into memory.
        OutputError: A checkpoint cannot be written.
    """
    trainer = build_trainer(network, params, num_images=len(training.images))
    state, best_weights = _restore(trainer, network, checkpoints)
    num_steps = math.ceil(len(training.images) / params.train.batch_size)
    progress = _StepProgress(num_steps * (params.train.epochs - state.epoch))
    while state.epoch < params.train.epochs and not _is_stalled(state, params.train):
        with memory_errors("train.batch_size", params.train.batch_size, params.model.image_size):
            fitted = _fit_epoch(trainer, training, params=params, epoch=state.epoch, progress=progress)
            probabilities = predict_probabilities(
                network, validation.images, batch_size=params.train.batch_size
            )
        row = {
            "epoch": state.epoch + 1,
            **fitted,
            "val_loss": _cross_entropy(probabilities, validation.labels),
            "val_accuracy": float((probabilities.argmax(axis=1) == validation.labels).mean()),
        }
        if row["val_accuracy"] > state.best_accuracy:
            best_weights = variables_to_arrays("best", network.weights)
        _advance(state, row, trainer.optimizer, params.train)
        _save(state, trainer, best_weights, checkpoints)
        if on_epoch is not None:
            on_epoch(row)
    progress.close()
    arrays_to_variables("best", best_weights, network.weights)
    return state


def build_trainer(network: Any, params: Params, *, num_images: int) -> Any:
    """The compiled model that is fitted: augmentation, then the network up to its logits.

    Args:
        network: A network of `build_network`; its weights are shared.
        params: Sections `train`, `augment` and `seed` are used.
        num_images: Number of training images; with the batch size it gives the steps of the schedule.
    """
    logits = keras.Model(network.input, network.get_layer("logits").output)
    images = keras.Input(network.input_shape[1:], dtype="uint8")
    trainer = keras.Model(images, logits(Augment(params.augment, seed=params.seed, name="augment")(images)))
    trainer.compile(
        optimizer=_build_optimizer(params.train, math.ceil(num_images / params.train.batch_size)),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=params.train.label_smoothing
        ),
        metrics=["accuracy"],
        # TensorFlow's affine transform, which Augment uses, has no XLA kernel.
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _fit_epoch(
    trainer: Any,
    training: LabelledImages,
    *,
    params: Params,
    epoch: int,
    progress: _StepProgress,
) -> dict[str, float]:
    """Fit one epoch, counted from 0; returns its learning rate, loss and accuracy."""
    batches = EpochBatches(
        training.inputs(),
        training.targets(),
        batch_size=params.train.batch_size,
        order_seed=(params.seed, epoch),
    )
    rate = float(trainer.optimizer.learning_rate)
    fitted = trainer.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[progress]).history
    loss = fitted["loss"][0]
    if not math.isfinite(loss):
        raise ModelError(
            f"train: the loss became {loss} in epoch {epoch + 1}; lower train.learning_rate "
            f"(now {params.train.learning_rate:g}), or use train.precision float32"
        )
    return {"learning_rate": rate, "loss": loss, "accuracy": fitted["accuracy"][0]}


def _cross_entropy(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Mean of the negative logarithm of the right class's probability; never infinite."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, keras.config.epsilon())).mean())


def _build_optimizer(params: TrainParams, steps_per_epoch: int) -> Any:
    rate: Any = params.learning_rate
    if params.schedule == "cosine":
        warmup_steps = round(params.warmup_epochs * steps_per_epoch)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else params.learning_rate,
            decay_steps=max(1, params.epochs * steps_per_epoch - warmup_steps),
            warmup_target=params.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    decay = params.weight_decay or None
    if params.optimizer == "sgd":
        nesterov = params.momentum > 0
        optimizer = keras.optimizers.SGD(
            rate, momentum=params.momentum, nesterov=nesterov, weight_decay=decay
        )
    elif params.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    else:
        optimizer = keras.optimizers.Adam(rate)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def _advance(state: TrainingState, row: dict[str, float], optimizer: Any, params: TrainParams) -> None:
    """Take an epoch's row into the state and reduce the rate where the loss no longer falls.

    The rules are those of Keras' ModelCheckpoint (on validation accuracy) and ReduceLROnPlateau
    (on validation loss, with `min_delta=0`); here they are part of the state, so that a resumed
    run follows them too.
    """
    state.epoch += 1
    state.history.append(row)
    if row["val_accuracy"] > state.best_accuracy:
        state.best_accuracy, state.best_epoch = row["val_accuracy"], state.epoch
    if row["val_loss"] < state.lowest_loss:
        state.lowest_loss, state.epochs_without_lower_loss = row["val_loss"], 0
        return
    state.epochs_without_lower_loss += 1
    if params.schedule == "plateau" and state.epochs_without_lower_loss >= params.plateau_patience:
        optimizer.learning_rate = float(optimizer.learning_rate) * params.plateau_factor
        state.epochs_without_lower_loss = 0


def _is_stalled(state: TrainingState, params: TrainParams) -> bool:
    patience = params.early_stopping_patience
    return patience > 0 and state.epoch - state.best_epoch >= patience


def _save(state: TrainingState, trainer: Any, best_weights: Any, checkpoints: CheckpointStore) -> None:
    arrays = (
        variables_to_arrays("model", trainer.variables)
        | variables_to_arrays("optimizer", trainer.optimizer.variables)
        | best_weights
    )
    checkpoints.save(state.epoch, arrays, asdict(state))


def _restore(trainer: Any, network: Any, checkpoints: CheckpointStore) -> tuple[TrainingState, Any]:
    found = checkpoints.load()
    if found is None:
        return TrainingState(), variables_to_arrays("best", network.weights)
    arrays, content = found
    arrays_to_variables("model", arrays, trainer.variables)
    arrays_to_variables("optimizer", arrays, trainer.optimizer.variables)
    state = TrainingState(**content)
    say(f"going on after epoch {state.epoch} of a run that was stopped")
    return state, {name: value for name, value in arrays.items() if name.startswith("best")}
