"""Cross-fitted teachers: each training image is answered for by networks that have not seen it."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import read_arrays
from ferflow.labels import EMOTIONS
from ferflow.progress import say

_UNKNOWN = 0.1  # Share spread over all classes where no teacher answered.


def training_groups(manifest: Path) -> NDArray[np.int64]:
    """The group of copies that each training image is in, in the order of `train.npz`."""
    opened = gzip.open if manifest.suffix == ".gz" else open
    with opened(manifest, "rt", encoding="utf-8", newline="") as stream:  # type: ignore[operator]
        return np.array([int(row["group"]) for row in csv.DictReader(stream) if row["subset"] == "train"])


def folds_of(groups: NDArray[np.int64], *, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Cut images into folds of nearly equal size; copies of one another are in one fold.

    Args:
        groups: (N,) the group of each image.
        num_folds: How many.
        seed: Of the order of the groups.

    Returns:
        (N,) numbers of folds.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    fold = np.empty(len(sizes), np.int64)
    fold[order] = before * num_folds // len(groups)
    return fold[inverse]


def answers_of_teachers(work: Path, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 7): of each training image, the mean of the networks that have not seen it.

    Args:
        work: Where `teach` left their answers.
        labels: (N,) of the training images; where nobody answered, the softened label stands.
    """
    hot = np.eye(len(EMOTIONS))[labels]
    sums, counts = np.zeros(hot.shape), np.zeros((len(labels), 1))
    for path in sorted(work.glob("teachers/*/held.npz")):
        held = read_arrays(path, ("rows", "probabilities"))
        sums[held["rows"]] += held["probabilities"]
        counts[held["rows"]] += 1
    unknown = hot * (1 - _UNKNOWN) + _UNKNOWN / len(EMOTIONS)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), unknown)
    right = np.mean((means.argmax(1) == labels)[counts[:, 0] > 0]) if counts.any() else 0.0
    say(f"teachers: {int(counts.sum())} answers, {right:.4f} of {int((counts > 0).sum())} images as labelled")
    return np.asarray(means / means.sum(axis=1, keepdims=True), np.float32)
