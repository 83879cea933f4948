"""Two networks on the same test images: which one is right where the other is wrong.

Images that have a copy in train or val are left out throughout: a network may know them by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.data.store import Column, read_csv
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS

_COLUMNS = ("file", "label", "predicted", "leaked")


@dataclass(frozen=True)
class Predictions:
    """What a network said of each test image, in the order of the test set.

    Attributes:
        files: (N,) names.
        labels: (N,) int64, index into `EMOTIONS`.
        predicted: (N,) int64, index into `EMOTIONS`.
        leaked: (N,) bool: the image has a copy in train or val.
    """

    files: Column
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    leaked: NDArray[np.bool_]

    def leak_free(self) -> Predictions:
        """Those without a copy in train or val."""
        kept = ~self.leaked
        return Predictions(self.files[kept], self.labels[kept], self.predicted[kept], self.leaked[kept])

    def right(self) -> NDArray[np.bool_]:
        """(N,) bool: the prediction is the label."""
        return np.equal(self.labels, self.predicted)

    def recalls(self) -> dict[str, float]:
        """Emotion to the share of its images that were found; none of a class without images."""
        right = self.right()
        return {
            emotion: float(right[self.labels == index].mean())
            for index, emotion in enumerate(EMOTIONS)
            if (self.labels == index).any()
        }


@dataclass(frozen=True)
class PairedTest:
    """McNemar's exact test of a new network against an old one.

    Attributes:
        num_images: Images that both were scored on.
        num_right: The number of right answers of the new network.
        num_right_old: The number of right answers of the old one.
        num_gained: Images that only the new network has right.
        num_lost: Images that only the old network has right.
        p_value: Two-sided; 1 where the two are right on the same images.
    """

    num_images: int
    num_right: int
    num_right_old: int
    num_gained: int
    num_lost: int
    p_value: float

    @property
    def difference(self) -> float:
        """Accuracy of the new network less that of the old one."""
        return (self.num_right - self.num_right_old) / self.num_images


def read_predictions(path: Path) -> Predictions:
    """Read `predictions.csv` as the evaluate stage writes it.

    Raises:
        DataError: The file is missing, damaged, empty, or holds what is no class.
    """
    columns = read_csv(path, _COLUMNS)
    if len(columns["file"]) == 0:
        raise DataError(f"{path}: holds no image; run the evaluate stage again")
    codes = {}
    for name in ("label", "predicted"):
        unknown = sorted(set(columns[name].tolist()) - set(EMOTIONS))
        if unknown:
            raise DataError(
                f"{path}: {name} {unknown[0]!r} is no class, expected one of {', '.join(EMOTIONS)}; "
                "run the evaluate stage again"
            )
        codes[name] = np.array([EMOTIONS.index(value) for value in columns[name]], dtype=np.int64)
    unknown = sorted(set(columns["leaked"].tolist()) - {"true", "false"})
    if unknown:
        raise DataError(
            f"{path}: leaked {unknown[0]!r}, expected true or false; run the evaluate stage again"
        )
    return Predictions(columns["file"], codes["label"], codes["predicted"], columns["leaked"] == "true")


def same_images(new: Predictions, old: Predictions) -> bool:
    """Whether the two are about the same images, with the same labels and leaks, in the same order."""
    return all(
        np.array_equal(getattr(new, name), getattr(old, name)) for name in ("files", "labels", "leaked")
    )


def paired_test(new: Predictions, old: Predictions) -> PairedTest:
    """Test on the images that are not leaked whether the two differ by more than chance.

    McNemar (1947), exact: where the networks are equally good, each image that one has right and
    the other wrong is a toss of a coin.

    Args:
        new: The predictions of the network that would take the place.
        old: The predictions of the network that holds it.

    Raises:
        DataError: The two are not about the same images, or all of these are leaked.
    """
    if not same_images(new, old):
        raise DataError(
            f"the predictions are not about the same images ({len(new.files):,} and {len(old.files):,}); "
            "score both networks on one test set"
        )
    right, right_old = new.leak_free().right(), old.leak_free().right()
    if len(right) == 0:
        raise DataError("every test image is leaked: nothing is left to compare on; choose another split")
    gained, lost = int((right & ~right_old).sum()), int((right_old & ~right).sum())
    p_value = float(heavy.scipy.stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return PairedTest(len(right), int(right.sum()), int(right_old.sum()), gained, lost, p_value)
