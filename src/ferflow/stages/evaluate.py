"""Stage evaluate: score the test subset once, with and without leaked images.

Reads `data/split/test.npz` and `manifest.csv`, `models/model.keras` and what earlier stages left in
`reports/`; writes `reports/predictions.csv`, `reports/plots/`, `reports/report.html` and
`reports/metrics.json`. Uses the section `evaluate`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Column, read_arrays, read_csv, write_csv
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, ModelError
from ferflow.files import write_json
from ferflow.labels import EMOTIONS
from ferflow.params import EvaluateParams
from ferflow.progress import say

if TYPE_CHECKING:
    from ferflow.model.metrics import ClassScores, Scores

# Decimals of the probabilities in predictions.csv; every figure is of these rounded ones.
_DECIMALS = 6


@dataclass(frozen=True)
class EvaluateReport:
    """The figures of the test subset; saved as `reports/metrics.json`, `scores` at its top level.

    Attributes:
        scores: On all test images.
        leak_free: On those that are not leaked.
        per_class: Emotion to its figures, on all test images.
    """

    scores: Scores
    leak_free: Scores
    per_class: dict[str, ClassScores]

    def as_json(self) -> dict[str, object]:
        """The content of `metrics.json`."""
        return {
            **asdict(self.scores),
            "leak_free": asdict(self.leak_free),
            "per_class": {name: asdict(entry) for name, entry in self.per_class.items()},
        }


@dataclass(frozen=True)
class ScoredImages:
    """The test images, checked.

    Attributes:
        images: (N, 48, 48) uint8, 0-255, grey; N is at least 1.
        labels: (N,) uint8, index into `EMOTIONS`.
        leaked: (N,) bool: the image has a copy, exact or near, in train or val.
        files: (N,) names.
        counts: Subset (train, val, test) to emotion to number of images.
        num_exact: Number of leaked images whose copy is equal to the pixel.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    leaked: NDArray[np.bool_]
    files: Column
    counts: dict[str, dict[str, int]]
    num_exact: int


def run(params: EvaluateParams, *, split_dir: Path, model_path: Path, reports_dir: Path) -> EvaluateReport:
    """Score the model and write figures, predictions, plots and the page.

    Raises:
        DataError: The split, or a report of an earlier stage, is missing, damaged or empty.
        ModelError: The model is missing, damaged or gives no probabilities.
        OutputError: A result cannot be written.
    """
    from ferflow.model.backend import memory_errors
    from ferflow.model.metrics import confusion_matrix, score, score_classes
    from ferflow.model.network import image_size_of, load_network
    from ferflow.model.prediction import predict_probabilities
    from ferflow.reporting.comparison import origin_of
    from ferflow.reporting.outline import read_report
    from ferflow.reporting.page import Results, write_page
    from ferflow.reporting.plot_folder import write_plot_folder

    test = load_test(split_dir)
    network = load_network(model_path)
    with memory_errors("evaluate.batch_size", params.batch_size, image_size_of(network)):
        probabilities = predict_probabilities(
            network,
            test.images,
            batch_size=params.batch_size,
            test_time_augmentation=params.test_time_augmentation,
            label="predicting",
        ).round(_DECIMALS)
    scores, leak_free = (
        score(
            test.labels[rows],
            probabilities[rows],
            confidence_level=params.confidence_level,
            calibration_bins=params.calibration_bins,
        )
        for rows in (np.full(len(test.labels), True), ~test.leaked)
    )
    report = EvaluateReport(scores, leak_free, score_classes(test.labels, probabilities))
    _say_what_is_undefined(report)
    _write_predictions(test, probabilities, reports_dir / "predictions.csv")
    matrix = confusion_matrix(test.labels, probabilities.argmax(axis=1))
    results = Results(scores, leak_free, report.per_class, matrix, test.counts, test.num_exact)
    write_plot_folder(
        reports_dir / "plots",
        results,
        images=test.images,
        labels=test.labels,
        probabilities=probabilities,
        calibration_bins=params.calibration_bins,
        is_comparable=origin_of(read_report(reports_dir / "download.json")).is_comparable,
    )
    _draw_evidence(network, test, probabilities, reports_dir / "plots" / "grad_cam.png")
    write_page(reports_dir / "report.html", results, params=params, reports_dir=reports_dir)
    write_json(reports_dir / "metrics.json", report.as_json())
    return report


def load_test(split_dir: Path) -> ScoredImages:
    """Read the test subset and its names.

    Raises:
        DataError: A file is missing or damaged, there is no test image, or the two do not belong together.
    """
    path = split_dir / "test.npz"
    test = load_subset(path)
    labels, leaked = test.labels, read_arrays(path, ("leaked",))["leaked"]
    if leaked.shape != labels.shape or leaked.dtype != bool:
        raise DataError(
            f"{path}: leaked is {leaked.dtype} {leaked.shape}, expected bool {labels.shape}; "
            "run the split stage again"
        )
    manifest_path = split_dir / "manifest.csv"
    manifest = read_csv(manifest_path, ("file", "label", "subset", "leaked"))
    is_test = manifest["subset"] == "test"
    leaks = manifest["leaked"][is_test]
    has_labels = np.array_equal(manifest["label"][is_test], np.array(EMOTIONS)[labels])
    if not has_labels or not np.array_equal(leaks != "none", leaked):
        raise DataError(
            f"{manifest_path}: its {is_test.sum():,} test rows do not carry the labels and leaks of the "
            f"{len(labels):,} images in {path.name}; run the split stage again"
        )
    pairs = Counter(zip(manifest["subset"].tolist(), manifest["label"].tolist(), strict=True))
    counts = {
        subset: {emotion: pairs[subset, emotion] for emotion in EMOTIONS}
        for subset in ("train", "val", "test")
    }
    return ScoredImages(
        test.images, labels, leaked, manifest["file"][is_test], counts, int((leaks == "exact").sum())
    )


def _say_what_is_undefined(report: EvaluateReport) -> None:
    absent = [name for name, entry in report.per_class.items() if entry.support == 0]
    if absent:
        say(f"no test image of {', '.join(absent)}: recall and areas are null there and count in no mean")
    if report.scores.auc_ovr_weighted is None:
        say("all test images are of one class: areas under the curve are not defined (null)")
    if report.leak_free.num_images == 0:
        say("every test image is leaked: the figures without leaked images are null")


def _draw_evidence(network: Any, test: ScoredImages, probabilities: NDArray[np.float64], path: Path) -> None:
    """Draw where the evidence lies in a few faces; of a network with another head say that it cannot be."""
    from ferflow.model.explain import keras_run
    from ferflow.reporting.gallery import write_gallery

    try:
        run_network = keras_run(network)
    except ModelError as error:
        say(f"no gallery of heatmaps: {error}")
        return
    write_gallery(path, run_network, images=test.images, labels=test.labels, probabilities=probabilities)


def _write_predictions(test: ScoredImages, probabilities: NDArray[np.float64], path: Path) -> None:
    names = np.array(EMOTIONS)
    columns = {
        "file": test.files,
        "label": names[test.labels],
        "predicted": names[probabilities.argmax(axis=1)],
        "leaked": np.where(test.leaked, "true", "false"),
    }
    for index, emotion in enumerate(EMOTIONS):
        columns[f"p_{emotion}"] = np.char.mod(f"%.{_DECIMALS}f", probabilities[:, index])
    write_csv(path, columns)
