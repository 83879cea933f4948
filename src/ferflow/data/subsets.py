"""Subsets of a split as they are trained on: images with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import read_arrays
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS, IMAGE_SIZE


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
        DataError: The file is missing, damaged, empty, or its arrays are no images and labels.
    """
    arrays = read_arrays(path, ("images", "labels"))
    images, labels = arrays["images"], arrays["labels"]
    shape = (len(labels), IMAGE_SIZE, IMAGE_SIZE)
    if images.shape != shape or images.dtype != np.uint8 or labels.shape != shape[:1]:
        raise DataError(
            f"{path}: images {images.dtype} {images.shape} and labels {labels.shape}, expected uint8 {shape} "
            f"and {shape[:1]}; run the split stage again"
        )
    if len(labels) == 0:
        raise DataError(
            f"{path}: holds no image; see split.scheme, split.validation_share, split.test_share and "
            "split.leaked in params.yaml and run the split stage again"
        )
    if labels.max() >= len(EMOTIONS):
        raise DataError(
            f"{path}: holds label {labels.max()}, expected 0 to {len(EMOTIONS) - 1}; "
            "run the split stage again"
        )
    return LabelledImages(images, labels)
