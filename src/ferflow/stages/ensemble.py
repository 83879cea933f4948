"""Ensembles: several trained networks as one, or the mean of probabilities that runs have left.

`write_ensemble` reads `.keras` files and `data/split/val.npz` and takes the place of training: it writes
`models/model.keras`, `reports/train.json` and `reports/history.csv`, so that evaluate, register, export and
predict go on from there. `score_stored` only reads: files of probabilities, and the split.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model
from ferflow.data.store import read_arrays, write_csv
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, ModelError
from ferflow.files import sha256_of, write_json
from ferflow.labels import EMOTIONS
from ferflow.model.state import HISTORY_COLUMNS
from ferflow.model.statistics import worst_sum
from ferflow.params import Params
from ferflow.stages.train import TrainReport


@dataclass(frozen=True)
class StoredScores:
    """Accuracies, 0-1, of stored probabilities.

    Attributes:
        name: File of the probabilities, or what their mean is called.
        val_accuracy: On the validation images.
        test_accuracy: On all test images.
        leak_free_accuracy: On those without a copy in train or val; None where there are none.
    """

    name: str
    val_accuracy: float
    test_accuracy: float
    leak_free_accuracy: float | None


@dataclass(frozen=True)
class Member:
    """A network of an ensemble.

    Attributes:
        file: Where it was read from.
        sha256: The SHA-256 of that file.
        parameters: How many it has.
        val_accuracy: On the validation images, by the views of `evaluate`.
    """

    file: str
    sha256: str
    parameters: int
    val_accuracy: float


@dataclass(frozen=True)
class EnsembleReport(TrainReport):
    """What an ensemble is; saved as `reports/train.json`, in whose place it is.

    Nothing was fitted: `num_training`, `epochs_run` and `best_epoch` are 0. `run` is the fingerprint of the
    members, `val_accuracy` that of the mean by the views of `evaluate`, and `params` has their number.

    Attributes:
        members: The networks.
    """

    members: list[Member]


def score_stored(paths: Sequence[Path], *, view: str, split_dir: Path) -> list[StoredScores]:
    """Score stored probabilities and their mean.

    Args:
        paths: `.npz` files that hold, by view, (N, 7) probabilities of the validation images, then the
            test images, in the manifest's order.
        view: Which of them.
        split_dir: Folder of the split.

    Returns:
        The scores of each file, then those of the mean.

    Raises:
        DataError: A file is missing, damaged, lacks the view, or is of other images.
    """
    validation, test = (load_subset(split_dir / f"{name}.npz") for name in ("val", "test"))
    leaked = read_arrays(split_dir / "test.npz", ("leaked",))["leaked"]
    number = len(validation.images)
    found = {str(path): _read_stored(path, view, number + len(test.images)) for path in paths}
    if len(found) > 1:
        found["mean"] = np.mean(list(found.values()), axis=0)
    scores = []
    for name, probabilities in found.items():
        answers = probabilities.argmax(axis=1)
        right = answers[number:] == test.labels
        clean = right[~leaked]
        scores.append(
            StoredScores(
                name,
                float((answers[:number] == validation.labels).mean()),
                float(right.mean()),
                float(clean.mean()) if len(clean) else None,
            )
        )
    return scores


def write_ensemble(
    paths: Sequence[Path], params: Params, *, split_dir: Path, model_path: Path, reports_dir: Path
) -> EnsembleReport:
    """Make one network of several and put it where training puts its own.

    Args:
        paths: `.keras` files of `ferflow train`, two or more.
        params: Section `evaluate` is used: batch size and views of the validation.
        split_dir: Folder of the split.
        model_path: Place of the network; none of the members.
        reports_dir: Folder of the report.

    Raises:
        DataError: The validation images are missing or damaged.
        ModelError: A member is missing, damaged or named twice, or would be overwritten.
        OutputError: A result cannot be written.
    """
    _check_members(paths, model_path)
    validation = load_subset(split_dir / "val.npz")

    networks, members, answers = [], [], []
    for path in paths:
        network = model.network.load_network(path)
        probabilities = model.prediction.predict_probabilities(
            network,
            validation.images,
            batch_size=params.evaluate.batch_size,
            test_time_augmentation=params.evaluate.test_time_augmentation,
        )
        total = model.network.count_parameters(network).total
        accuracy = _accuracy(probabilities, validation.labels)
        members.append(Member(str(path), sha256_of(path), total, accuracy))
        networks.append(network)
        answers.append(probabilities)
    mean = model.ensemble.mean_of(networks)
    model.saving.save_as_it_is(mean, model_path)
    report = EnsembleReport(
        run=hashlib.sha256(json.dumps([member.sha256 for member in members]).encode()).hexdigest(),
        backend=model.backend.backend_version(),
        num_training=0,
        num_validation=len(validation.images),
        parameters=model.network.count_parameters(mean)._asdict(),
        epochs_run=0,
        best_epoch=0,
        val_accuracy=_accuracy(np.mean(answers, axis=0), validation.labels),
        model_sha256=sha256_of(model_path),
        params={"ensemble": {"members": len(members)}},
        members=members,
    )
    # Instead of those of a training that was here before; a mean has no epochs.
    write_csv(reports_dir / "history.csv", dict.fromkeys(HISTORY_COLUMNS, ()))
    (reports_dir / "history.png").unlink(missing_ok=True)
    write_json(reports_dir / "train.json", asdict(report))
    return report


def _check_members(paths: Sequence[Path], model_path: Path) -> None:
    resolved = [path.resolve() for path in paths]
    for path in paths:
        if resolved.count(path.resolve()) > 1:
            raise ModelError(
                f"{path}: named twice, and a mean of a network with itself is the network; name another one"
            )
    if model_path.resolve() in resolved:
        raise ModelError(
            f"{model_path}: the ensemble would take its place; copy it, such as to models/first.keras, and "
            "name the copy"
        )


def _accuracy(probabilities: NDArray[np.float64], labels: NDArray[Any]) -> float:
    return round(float((probabilities.argmax(axis=1) == labels).mean()), 6)


def _read_stored(path: Path, view: str, number: int) -> NDArray[np.float64]:
    try:
        stored = read_arrays(path, (view,))[view]
    except DataError as error:
        raise DataError(
            f"{path}: no probabilities of view {view} can be read there; give a .npz file that holds them, "
            f"or another --view ({error})"
        ) from error
    shape = (number, len(EMOTIONS))
    if stored.shape != shape or stored.dtype.kind != "f":
        raise DataError(
            f"{path}: {view} is {stored.dtype} {stored.shape}, expected numbers {shape}: of the validation "
            "and the test images of this split; use probabilities of the same split"
        )
    probabilities = np.asarray(stored, np.float64)
    if (worst := worst_sum(probabilities)) is not None:
        raise DataError(f"{path}: a row of {view} adds up to {worst[1]:g}, expected 1; write the file again")
    return probabilities
