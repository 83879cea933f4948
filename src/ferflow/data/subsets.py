"""Subsets of a split as they are trained on: images with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import read_arrays
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS


@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels.

    Attributes:
        images: (N, 48, 48) uint8, 0-255.
        labels: (N,) uint8, index into `EMOTIONS`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def inputs(self) -> NDArray[np.uint8]:
        """(N, 48, 48, 1) uint8."""
        return self.images[..., np.newaxis]

    def targets(self) -> NDArray[np.float32]:
        """(N, 7) float32, one-hot."""
        return np.eye(len(EMOTIONS), dtype=np.float32)[self.labels]


def load_subset(path: Path) -> LabelledImages:
    """Read a subset that the split stage wrote.

    Raises:
        DataError: The file is missing, damaged, empty, or holds a label that is none.
    """
    arrays = read_arrays(path, ("images", "labels"))
    images, labels = arrays["images"], arrays["labels"]
    if not len(images) or len(images) != len(labels) or labels.max() >= len(EMOTIONS):
        raise DataError(
            f"{path}: {len(images)} images and {len(labels)} labels, expected as many of each, "
            f"more than none, and labels below {len(EMOTIONS)}; run the split stage again"
        )
    return LabelledImages(images, labels)
