"""Images with the probabilities of networks that did not see them, and their manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Column, Images, read_csv
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS

# Decimals of the probabilities, as in predictions.csv.
DECIMALS = 6

_MANIFEST = ("file", "label", "subset", "group", "leaked", "sha256")

Manifest = dict[str, Column]


@dataclass(frozen=True)
class HeldOut:
    """Images with probabilities of networks that did not see them.

    Attributes:
        images: (N, 48, 48) uint8, 0-255, grey.
        labels: (N,) uint8, index into `EMOTIONS`.
        rows: (N,) int64, the row of each image in manifest.csv.
        subsets: (N,) of `test`, `val` and, with folds, `train`.
        probabilities: (N, 7) float64, rounded to 6 decimals.
    """

    images: Images
    labels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    subsets: Column
    probabilities: NDArray[np.float64]

    @classmethod
    def of_subset(
        cls,
        subset: str,
        images: Images,
        labels: NDArray[np.uint8],
        rows: NDArray[np.int64],
        probabilities: NDArray[np.float64],
    ) -> HeldOut:
        """Images that are all of one subset."""
        return cls(images, labels, rows, np.full(len(labels), subset, "<U5"), probabilities)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[Any]) -> HeldOut:
        """Those of the given rows (indices or a boolean mask), in their order."""
        return HeldOut(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def right(self) -> NDArray[np.bool_]:
        """(N,) bool: the most probable class is the label."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.labels
        return right


def joined(parts: Sequence[HeldOut]) -> HeldOut:
    """The images of all parts, one after the other."""
    return HeldOut(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(HeldOut))
    )


def read_manifest(split_dir: Path) -> Manifest:
    """Read `manifest.csv` of a split.

    Raises:
        DataError: It is missing or damaged.
    """
    return read_csv(split_dir / "manifest.csv", _MANIFEST)


def load_rows(split_dir: Path, subset: str, manifest: Manifest) -> tuple[LabelledImages, NDArray[np.int64]]:
    """The images of train or val with their labels, and their rows in the manifest.

    Raises:
        DataError: The array file is missing or damaged, or does not belong to the manifest.
    """
    path = split_dir / f"{subset}.npz"
    arrays = load_subset(path)
    rows = np.flatnonzero(manifest["subset"] == subset)
    if not np.array_equal(manifest["label"][rows], np.array(EMOTIONS)[arrays.labels]):
        raise DataError(
            f"{split_dir / 'manifest.csv'}: its {len(rows):,} {subset} rows do not carry the labels of the "
            f"{len(arrays.labels):,} images in {path.name}; run the split stage again"
        )
    return arrays, rows
