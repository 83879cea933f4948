"""Images that the network was not trained on, with what it says of them.

Test images that have a copy in train or val are left out: the network may know them by heart.
Validation images chose the epoch whose weights were kept, and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow import model
from ferflow.data.store import Column, read_csv
from ferflow.errors import DataError
from ferflow.insight.images import HeldOut, joined, load_rows, read_manifest
from ferflow.labels import EMOTIONS
from ferflow.model.statistics import worst_sum
from ferflow.params import EvaluateParams
from ferflow.progress import say
from ferflow.stages.evaluate import load_test
from ferflow.stages.results import predict

# Predictions belong to a model if so many of them, computed again, come out this close.
_NUM_CHECKED = 32
_TOLERANCE = 1e-3


def held_out_images(
    params: EvaluateParams, *, split_dir: Path, model_path: Path, predictions_path: Path
) -> tuple[HeldOut, int]:
    """Test and validation images without leaked ones, test first, and how many were leaked.

    Probabilities of test images are taken from `predictions_path` where they are of this split and
    this model; otherwise, and for validation images, the model predicts.

    Raises:
        DataError: The split is missing or damaged, or every image is leaked.
        ModelError: The model is missing, damaged or gives no probabilities.
    """
    manifest = read_manifest(split_dir)
    test = load_test(split_dir)
    validation, rows = load_rows(split_dir, "val", manifest)
    # Keras is loaded once the inputs are known to be good.

    network = model.network.load_network(model_path)
    checked = np.unique(np.linspace(0, len(test.labels) - 1, _NUM_CHECKED).astype(np.int64))
    known = _read_probabilities(predictions_path, test.files, test.labels)
    if known is not None and not _are_of(
        known[checked], predict(network, test.images[checked], params, label=None)
    ):
        say(f"{predictions_path}: of another model than {model_path}; predicting the test images again")
        known = None
    probabilities = (
        predict(network, test.images, params, label="predicting test images") if known is None else known
    )
    test_rows = np.flatnonzero(manifest["subset"] == "test")
    chosen = predict(network, validation.images, params, label="predicting validation images")
    both = joined(
        [
            HeldOut.of_subset("test", test.images, test.labels, test_rows, probabilities),
            HeldOut.of_subset("val", validation.images, validation.labels, rows, chosen),
        ]
    )
    leak_free = manifest["leaked"][both.rows] == "none"
    if not leak_free.any():
        raise DataError(f"{split_dir}: every test and validation image is leaked; choose another split")
    return both.take(leak_free), int((~leak_free).sum())


def _read_probabilities(path: Path, files: Column, labels: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """The (N, 7) probabilities of `predictions.csv`; None where it is absent or of other images."""
    if not path.is_file():
        say(f"{path}: not found; predicting the test images")
        return None
    names = [f"p_{emotion}" for emotion in EMOTIONS]
    columns = read_csv(path, ("file", "label", *names))
    is_same_split = np.array_equal(columns["file"], files) and np.array_equal(
        columns["label"], np.array(EMOTIONS)[labels]
    )
    if not is_same_split:
        say(f"{path}: of another split; predicting the test images again")
        return None
    try:
        probabilities = np.stack([columns[name].astype(np.float64) for name in names], axis=1)
    except ValueError as error:
        raise DataError(
            f"{path}: a probability is no number ({error}); run 'ferflow evaluate' again"
        ) from None
    if (worst := worst_sum(probabilities)) is not None:
        row, total = worst
        raise DataError(
            f"{path}: the probabilities of {str(files[row])!r} add up to {total:g}, expected 1; "
            "run 'ferflow evaluate' again"
        )
    return probabilities


def _are_of(known: NDArray[np.float64], computed: NDArray[np.float64]) -> bool:
    return bool(np.abs(known - computed).max() <= _TOLERANCE)
