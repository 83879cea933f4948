"""Labels that are likely wrong, by confident learning (Northcutt, Jiang and Chuang, 2021).

The probabilities must be of networks that did not see the image. An image counts towards a class if
its probability there reaches the mean over the images with that label; how often images with one
label count towards another class estimates how many labels are wrong, and so many of each pair of
classes, those with the widest margin, are the likely errors.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.errors import DataError, FerflowError
from ferflow.labels import EMOTIONS


class CleanlabMissingError(FerflowError):
    """The package that finds label errors is not installed."""


@dataclass(frozen=True)
class LabelErrors:
    """What confident learning finds in N images.

    Attributes:
        ranked: (E,) int64 rows of the likely errors, the likeliest first.
        scores: (N,) float64, 0-1: normalised margin, (p of the label - highest other p + 1) / 2.
        suggested: (N,) uint8, the most probable class, index into `EMOTIONS`.
    """

    ranked: NDArray[np.int64]
    scores: NDArray[np.float64]
    suggested: NDArray[np.uint8]

    def is_likely_error(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        found = np.zeros(len(self.scores), np.bool_)
        found[self.ranked] = True
        return found


def find_label_errors(labels: NDArray[np.uint8], probabilities: NDArray[np.float64]) -> LabelErrors:
    """Find the labels that are likely wrong.

    Args:
        labels: (N,) uint8, index into `EMOTIONS`.
        probabilities: (N, 7) float64 of networks that did not see the images.

    Raises:
        CleanlabMissingError: cleanlab is not installed.
        DataError: All labels are of one class.
    """
    check_cleanlab()

    if len(np.unique(labels)) < 2:
        raise DataError(
            f"all {len(labels):,} images out of sample are {EMOTIONS[labels[0]]}, expected at least two "
            "classes; choose another split"
        )
    integers = labels.astype(np.int64)
    scores = heavy.cleanlab.rank.get_label_quality_scores(integers, probabilities, method="normalized_margin")
    with warnings.catch_warnings():
        # That it passes over a class of one image or none.
        warnings.filterwarnings("ignore", message="May not flag all label issues", category=UserWarning)
        found = np.flatnonzero(heavy.cleanlab.filter.find_label_issues(integers, probabilities, n_jobs=1))
    ranked = found[np.argsort(scores[found], kind="stable")]
    return LabelErrors(ranked, scores, probabilities.argmax(axis=1).astype(np.uint8))


def check_cleanlab() -> None:
    """See that cleanlab can be imported.

    Raises:
        CleanlabMissingError: It cannot.
    """
    if find_spec("cleanlab") is None:
        raise CleanlabMissingError(
            "cleanlab is not installed, and it finds the label errors; install ferflow with its extra "
            "'insight' (pip install 'ferflow[insight]', or make install)"
        )


def pair_counts(labels: NDArray[Any], suggested: NDArray[Any]) -> list[tuple[str, str, int]]:
    """(label, suggested, number of images) of the given likely errors, the most frequent first."""
    pairs, counts = np.unique(np.stack([labels, suggested], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        (EMOTIONS[label], EMOTIONS[other], int(count))
        for (label, other), count in zip(pairs[order], counts[order], strict=True)
    ]
