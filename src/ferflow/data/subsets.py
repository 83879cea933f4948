"""Subsets of a split as they are trained on: images with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow.data.fer_plus import CHOICES, Votes, soft_labels
from ferflow.data.store import read_arrays
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS, IMAGE_SIZE


@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels.

    Attributes:
        images: (N, 48, 48) uint8, 0-255.
        labels: (N,) uint8, index into `EMOTIONS`.
        votes: (N, 10) uint8: the answers of FER+ about each image; None where there are none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    votes: Votes | None = None

    def inputs(self) -> NDArray[np.uint8]:
        """(N, 48, 48, 1) uint8."""
        return self.images[..., np.newaxis]

    def targets(self) -> NDArray[np.float32]:
        """(N, 7) float32, one-hot."""
        return np.eye(len(EMOTIONS), dtype=np.float32)[self.labels]

    def soft_targets(self) -> NDArray[np.float32]:
        """(N, 7) float32: the shares of the votes; see `ferflow.data.fer_plus.soft_labels`.

        Raises:
            DataError: There are no votes.
        """
        if self.votes is None:
            raise DataError(
                "train.targets: is votes, but the images in data/split have none; set download.votes to "
                "FER+'s fer2013new.csv and run 'dvc repro', or set train.targets to labels"
            )
        return soft_labels(self.votes, self.labels)


def load_subset(path: Path) -> LabelledImages:
    """Read a subset that the split stage wrote.

    Raises:
        DataError: The file is missing, damaged, empty, or its arrays are no images and labels.
    """
    arrays = read_arrays(path, ("images", "labels"), optional=("votes",))
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
    votes = arrays.get("votes")
    if votes is not None and (votes.shape != (len(labels), len(CHOICES)) or votes.dtype != np.uint8):
        raise DataError(
            f"{path}: votes {votes.dtype} {votes.shape}, expected uint8 ({len(labels)}, {len(CHOICES)}); "
            "run the split stage again"
        )
    return LabelledImages(images, labels, votes)
