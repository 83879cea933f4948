"""What runs on a lent GPU share: training that ends annealed at a deadline, twelve views, packed results."""

from __future__ import annotations

import fcntl
import json
import math
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.subsets import LabelledImages
from ferflow.files import atomic_file
from ferflow.params import Params
from ferflow.params.evaluate import NUM_VIEWS
from ferflow.progress import say

_WARMUP_EPOCHS = 4.0
_PART_BYTES = 15_000_000
_SCORED_AT_ONCE = 128
_NUM_VIEWS = NUM_VIEWS["whole_and_ten_crop"]


class DeadlineError(Exception):
    """The schedule of a run is through."""


@dataclass
class Trained:
    """What a training that was ended by the clock leaves.

    Attributes:
        network: With the weights of its best epoch.
        rows: Of the history, one an epoch.
        best_epoch: Counted from 1.
        best_accuracy: On what chose the epoch.
        seconds: That it took.
    """

    network: Any
    rows: list[dict[str, float]]
    best_epoch: int
    best_accuracy: float
    seconds: float


class ScheduleByTime:
    """A half cosine by the larger share of the epochs and of the time that are used up.

    So a run that is slower than planned still ends with rate zero before the deadline. The time before the
    end of the first epoch, that of compiling, is no part of it: where several runs follow one another, what
    is left after it is divided, so that the one that compiles for all loses no more than the others.

    Args:
        name: Of the run, for what is said.
        params: `train.epochs` and `train.learning_rate` are used.
        until: The end of all runs, in seconds since 1970.
        runs: That are left with this one; it takes an equal part of the time.
        scoring_seconds: What of its part is kept for what comes after training.
    """

    def __init__(
        self, name: str, params: Params, *, until: float, runs: int = 1, scoring_seconds: float = 0.0
    ) -> None:
        self._name, self._train = name, params.train
        self._began, self._until = time.time(), until
        self._runs, self._scoring_seconds = runs, scoring_seconds
        self._compiled: float | None = None

    def share(self, epoch: int) -> float:
        """How much of the schedule is used up, at the begin of an epoch counted from 0."""
        if self._compiled is None:
            return 0.0
        part = (self._until - self._compiled) / self._runs - self._scoring_seconds
        used = (time.time() - self._compiled) / max(1e-3, part)
        return min(1.0, max(epoch / self._train.epochs, used))

    def rate(self, epoch: int) -> float:
        """The learning rate: a linear warm-up by epochs, times the half cosine."""
        return rate_at(self.share(epoch), epoch, self._train.learning_rate)

    def on_epoch(self, row: dict[str, float]) -> None:
        """Say the row; ends the training where the next epoch would be one at rate zero.

        Raises:
            DeadlineError: The schedule is through.
        """
        rounded = json.dumps({key: round(value, 5) for key, value in row.items()})
        say(f"[{self._name}] +{time.time() - self._began:.1f}s {rounded}")
        if self._compiled is None:
            self._compiled = time.time()
        if self.share(int(row["epoch"])) >= 1:
            raise DeadlineError


def rate_at(share: float, epoch: int, peak: float) -> float:
    """The learning rate: a linear warm-up by epochs, times a half cosine by the share of the schedule."""
    warmup = min(1.0, (epoch + 0.5) / _WARMUP_EPOCHS)
    return peak * warmup * (1 + math.cos(math.pi * share)) / 2


def train_by_time(
    name: str,
    params: Params,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    folder: Path,
    schedule: ScheduleByTime,
) -> Trained:
    """Train a new network by the train stage's `train_network`, with a rate by epochs and time.

    Args:
        name: Of the run.
        params: Of the training; `train.schedule` is `plateau` with a patience that is never used up.
        training: Images to fit.
        validation: Images that choose the epoch.
        folder: Of its checkpoints.
        schedule: Sets the rate and ends the training.
    """
    from ferflow.model import training as stage
    from ferflow.model.backend import set_up_process
    from ferflow.model.checkpoint import CheckpointStore, arrays_to_variables
    from ferflow.model.network import build_network

    began = time.time()
    fit_epoch = stage.fit_epoch

    def fit_with_rate(epochs: Any, *, epoch: int, **options: Any) -> dict[str, float]:
        epochs.optimizer.learning_rate = schedule.rate(epoch)
        return fit_epoch(epochs, epoch=epoch, **options)

    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    store = CheckpointStore(folder / "checkpoints", name)
    stage.fit_epoch = fit_with_rate
    try:
        stage.train_network(
            network, training, validation, params=params, checkpoints=store, on_epoch=schedule.on_epoch
        )
    except DeadlineError:
        say(f"[{name}] the deadline ends training")
    finally:
        stage.fit_epoch = fit_epoch
    found = store.load()
    if found is None:
        raise SystemExit(f"{name}: no checkpoint; not one epoch ended in {time.time() - began:.0f} s")
    arrays, state = found
    arrays_to_variables("best", arrays, network.weights)
    return Trained(
        network, state["history"], state["best_epoch"], state["best_accuracy"], time.time() - began
    )


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """The rows of a training as CSV."""
    lines = [",".join(rows[0]), *(",".join(f"{value:.6g}" for value in row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def weights_of(network: Any) -> bytes:
    """All weights in order, flattened, as float16."""
    return np.concatenate(
        [np.asarray(weight, np.float16).ravel() for weight in network.get_weights()]
    ).tobytes()


def twelve_views(network: Any, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Probabilities of the image, its mirror image and the ten crops in `Views`' order: (12, N, 7)."""
    from ferflow.model.backend import load_keras
    from ferflow.model.views import Views

    keras = load_keras()

    class _Stacked(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """(12 N, 7) as (N, 84)."""

        def call(self, values: Any) -> Any:
            views = keras.ops.reshape(values, (_NUM_VIEWS, -1, 7))
            return keras.ops.reshape(keras.ops.transpose(views, (1, 0, 2)), (-1, _NUM_VIEWS * 7))

        def compute_output_shape(self, _: Any) -> Any:
            return (None, _NUM_VIEWS * 7)

    inputs = keras.Input(network.input_shape[1:])
    stacked = keras.layers.Concatenate(axis=0)([Views("flip")(inputs), Views("ten_crop")(inputs)])
    model = keras.Model(inputs, _Stacked(dtype="float32")(network(stacked)))
    found = []
    for start in range(0, len(images), _SCORED_AT_ONCE):
        part = images[start : start + _SCORED_AT_ONCE]
        batch = np.zeros((_SCORED_AT_ONCE, *images.shape[1:], 1), np.uint8)
        batch[: len(part), ..., 0] = part
        found.append(np.asarray(model.predict_on_batch(batch), np.float64)[: len(part)])
    return np.concatenate(found).reshape(len(images), _NUM_VIEWS, 7).transpose(1, 0, 2)


def means_of(views: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """(N, 7) probabilities by kind of views, of `twelve_views`."""
    return {
        "none": views[0],
        "flip": views[:2].mean(0),
        "ten_crop": views[2:].mean(0),
        "whole_and_ten_crop": views.mean(0),
    }


def score_views(name: str, views: NDArray[np.float64], data: dict[str, Any]) -> dict[str, Any]:
    """Accuracies by kind of views.

    Args:
        name: Of the run, for what is said.
        views: (12, N, 7) of `twelve_views`: of the validation images, then the test images.
        data: `val` and `test`, and `leaked`: which test images have a copy elsewhere.
    """
    number = len(data["val"].images)
    figures = {}
    for kind, mean in means_of(views).items():
        right = mean[number:].argmax(1) == data["test"].labels
        figures[kind] = {
            "val": float((mean[:number].argmax(1) == data["val"].labels).mean()),
            "test": float(right.mean()),
            "test_leak_free": float(right[~data["leaked"]].mean()),
        }
        say(f"[{name}] {kind} {figures[kind]}")
    return figures


def pack_folders(target: Path, folders: list[Path], names: tuple[str, ...], *, lock: Path) -> None:
    """Write some files of several folders as one tar file, `FOLDER.FILE` each; whole at any moment.

    Args:
        target: The tar file.
        folders: Of the runs.
        names: Of the files; those that are there are taken.
        lock: File that keeps two processes from packing at the same time.
    """
    # One process at a time: each would take the other's temporary file for one left over.
    with lock.open("w") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        with atomic_file(target) as fresh, tarfile.open(fresh, "w") as packed:
            for folder in folders:
                for name in names:
                    if (folder / name).exists():
                        packed.add(folder / name, f"{folder.name}.{name}")


def write_in_parts(target: Path, content: bytes) -> None:
    """Write bytes, as `TARGET.0`, `TARGET.1` and so on where they are more than one file may hold."""
    if len(content) <= _PART_BYTES:
        target.write_bytes(content)
        return
    for part, start in enumerate(range(0, len(content), _PART_BYTES)):
        target.with_name(f"{target.name}.{part}").write_bytes(content[start : start + _PART_BYTES])
