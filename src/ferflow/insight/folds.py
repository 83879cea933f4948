"""Probabilities of training images, by networks that were trained without them.

The training images are shared out to folds, groups of copies together. For each fold the house's
training runs on the others, with the same validation images. A stopped run goes on from its last
epoch, and a finished fold is not trained again while parameters, data and code stay the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow import model, paths
from ferflow.data.split import draw_groups
from ferflow.data.store import Column, read_arrays, write_arrays
from ferflow.data.subsets import LabelledImages
from ferflow.errors import DataError
from ferflow.files import atomic_directory, sha256_of
from ferflow.insight.images import HeldOut, load_rows, read_manifest
from ferflow.labels import EMOTIONS
from ferflow.params import Params
from ferflow.progress import duration, say
from ferflow.stages import train
from ferflow.stages.results import predict

FOLDS = Path(".ferflow/insight")


def fold_images(params: Params, *, root: Path, folds: int) -> HeldOut:
    """The training images with probabilities of networks that did not see them or a copy of them.

    Args:
        params: Sections `seed`, `model`, `augment`, `train` and `evaluate` are used.
        root: Folder of the repository.
        folds: Number of trainings, at least 2.

    Raises:
        DataError: The split is missing or damaged, or a fold is empty.
        ModelError: A network cannot be trained.
        OutputError: A file cannot be written.
    """
    split_dir = root / paths.SPLIT
    manifest = read_manifest(split_dir)
    training, rows = load_rows(split_dir, "train", manifest)
    numbers = draw_folds(training.labels, manifest["group"][rows], folds=folds, seed=params.seed)
    probabilities = np.zeros((len(rows), len(EMOTIONS)))
    seconds: list[float] = []
    for fold in range(folds):
        mine = numbers == fold
        place = root / FOLDS / f"{folds}-folds" / str(fold + 1)
        key = _key(params, split_dir, folds, fold)
        known = _read_finished(place, key, int(mine.sum()))
        if known is None:
            say(f"fold {fold + 1} of {folds}: training on {int((~mine).sum()):,} images")
            started = time.monotonic()
            known = _train_and_predict(params, training, mine, split_dir=split_dir, place=place, key=key)
            seconds.append(time.monotonic() - started)
            left = (folds - fold - 1) * sum(seconds) / len(seconds)
            say(f"fold {fold + 1} of {folds}: done, {duration(left)} left")
        else:
            say(f"fold {fold + 1} of {folds}: done before")
        probabilities[mine] = known
    return HeldOut.of_subset("train", training.images, training.labels, rows, probabilities)


def draw_folds(labels: NDArray[np.uint8], groups: Column, *, folds: int, seed: int) -> NDArray[np.int64]:
    """Share images out to folds of about the same size and mix of emotions; groups stay together.

    Args:
        labels: (N,) uint8, index into `EMOTIONS`.
        groups: (N,) what copies share.
        folds: Number of folds.
        seed: The seed of the draws.

    Returns:
        (N,) int64, 0 to folds - 1.

    Raises:
        DataError: There are too few images for so many folds.
    """
    generator = np.random.default_rng(seed)
    pictures = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    numbers = np.full(len(labels), folds - 1, np.int64)
    for fold in range(folds - 1):
        rest = np.flatnonzero(numbers == folds - 1)
        drawn = draw_groups(labels[rest], pictures[rest], share=1 / (folds - fold), generator=generator)
        numbers[rest[drawn]] = fold
    sizes = np.bincount(numbers, minlength=folds)
    if sizes.min() == 0:
        raise DataError(
            f"--folds {folds}: {len(labels):,} training images leave a fold empty; ask for fewer folds"
        )
    return numbers


def _train_and_predict(
    params: Params,
    training: LabelledImages,
    mine: NDArray[np.bool_],
    *,
    split_dir: Path,
    place: Path,
    key: str,
) -> NDArray[np.float64]:
    """Train on the images of the other folds and score those of this one."""
    work = place / "work"
    with atomic_directory(work / "split") as fresh:
        write_arrays(
            fresh / "train.npz", {"images": training.images[~mine], "labels": training.labels[~mine]}
        )
        shutil.copyfile(split_dir / "val.npz", fresh / "val.npz")
    train.run(
        params,
        split_dir=work / "split",
        model_path=work / "model.keras",
        reports_dir=work / "reports",
        checkpoint_dir=work / "checkpoints",
    )

    network = model.network.load_network(work / "model.keras")
    label = "predicting the images of the fold"
    probabilities = predict(network, training.images[mine], params.evaluate, label=label)
    write_arrays(place / "probabilities.npz", {"probabilities": probabilities, "key": np.array(key)})
    shutil.rmtree(work, ignore_errors=True)
    return probabilities


def _key(params: Params, split_dir: Path, folds: int, fold: int) -> str:
    """What decides the probabilities of a fold."""
    parts = {
        "params": params.model_dump(mode="json", include={"seed", "model", "augment", "train", "evaluate"}),
        "inputs": [sha256_of(split_dir / name) for name in ("train.npz", "val.npz", "manifest.csv")],
        "code": train.code_digest(),
        "fold": [fold, folds],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_finished(place: Path, key: str, num_images: int) -> NDArray[np.float64] | None:
    """The probabilities of a fold that was finished with the same key; a damaged file counts for none."""
    path = place / "probabilities.npz"
    if not path.is_file():
        return None
    try:
        arrays = read_arrays(path, ("probabilities", "key"))
    except DataError as error:
        say(f"{error}; training the fold again")
        return None
    probabilities: NDArray[np.float64] = arrays["probabilities"]
    is_same = str(arrays["key"]) == key and probabilities.shape == (num_images, len(EMOTIONS))
    return probabilities if is_same else None
