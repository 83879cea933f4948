"""The folder `reports/plots`: the pictures of a scored subset, and the tables that `dvc plots` draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import write_csv
from ferflow.files import atomic_directory
from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.model.calibration import CoverageCurve, coverage_curve, scaled
from ferflow.model.metrics import CalibrationBins, RocCurve, calibration, roc_curves
from ferflow.reporting import plots
from ferflow.reporting.page import Results

_DECIMALS = 6
_MAX_POINTS = 200


def write_plot_folder(
    target: Path,
    results: Results,
    *,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    probabilities: NDArray[np.float64],
    leaked: NDArray[np.bool_],
    calibration_bins: int,
    is_comparable: bool,
) -> None:
    """Replace the folder.

    Args:
        target: The folder.
        results: Figures of the same images.
        images: (N, 48, 48) uint8, 0-255, grey.
        labels: (N,) uint8, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1.
        leaked: (N,) bool: the image has a copy among those that trained or selected the network.
        calibration_bins: Number of bins of the reliability diagram.
        is_comparable: Whether the paper's recalls are drawn beside this run's.

    Raises:
        OutputError: The folder cannot be written.
    """
    curves = roc_curves(labels, probabilities)
    bins = calibration(labels, probabilities, num_bins=calibration_bins)
    areas = {name: entry.auc for name, entry in results.classes.items()}
    confident = scaled(probabilities, results.confidence.temperature)
    coverages = {
        name: coverage_curve(labels[rows], confident[rows])
        for name, rows in (("all images", np.full(len(labels), True)), ("without leaked images", ~leaked))
        if rows.any() and (name == "all images" or leaked.any())
    }
    recalls = paper.CLASS_RECALLS if is_comparable else None
    with atomic_directory(target) as folder:
        write_confusions(folder / "confusion_matrix.csv", labels, probabilities.argmax(axis=1))
        write_curves(folder / "roc.csv", curves)
        write_calibration(folder / "calibration.csv", bins)
        write_coverage(folder / "coverage.csv", coverages["all images"])
        plots.plot_confusion_matrix(results.matrix, folder / "confusion_matrix.png")
        plots.plot_roc(curves, {**areas, "weighted": results.scores.auc_ovr_weighted}, folder / "roc.png")
        plots.plot_reliability(bins, folder / "reliability.png")
        plots.plot_coverage(coverages, folder / "coverage.png")
        plots.plot_classes(results.classes, folder / "per_class.png", paper_recalls=recalls)
        plots.plot_examples(images, labels, probabilities, folder / "examples.png")


def write_confusions(path: Path, labels: NDArray[np.uint8], predicted: NDArray[np.integer[Any]]) -> None:
    """Write one row an image, `actual,predicted`: what DVC's template `confusion` counts."""
    names = np.array(EMOTIONS)
    write_csv(path, {"actual": names[labels], "predicted": names[predicted]})


def write_curves(path: Path, curves: list[RocCurve]) -> None:
    """Write one row a point, `class,fpr,tpr`."""
    columns = {
        "class": [curve.name for curve in curves for _ in curve.false_positive_rate],
        "fpr": _texts([curve.false_positive_rate for curve in curves]),
        "tpr": _texts([curve.true_positive_rate for curve in curves]),
    }
    write_csv(path, columns)


def write_calibration(path: Path, bins: CalibrationBins) -> None:
    """Write one row a bin that has images, `low,high,images,confidence,accuracy`."""
    filled = bins.count > 0
    columns = {
        "low": _texts([bins.low[filled]]),
        "high": _texts([bins.high[filled]]),
        "images": [str(number) for number in bins.count[filled]],
        "confidence": _texts([bins.confidence[filled]]),
        "accuracy": _texts([bins.accuracy[filled]]),
    }
    write_csv(path, columns)


def write_coverage(path: Path, curve: CoverageCurve) -> None:
    """Write one row a point, `coverage,accuracy,threshold`, at most 200."""
    kept = np.unique(np.linspace(0, len(curve.threshold) - 1, _MAX_POINTS).round().astype(int))
    columns = {
        "coverage": _texts([curve.coverage[kept]]),
        "accuracy": _texts([curve.accuracy[kept]]),
        "threshold": _texts([curve.threshold[kept]]),
    }
    write_csv(path, columns)


def _texts(parts: list[NDArray[np.float64]]) -> list[str]:
    return [f"{value:.{_DECIMALS}f}" for part in parts for value in part]
