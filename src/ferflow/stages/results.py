"""What scored images come to, and its writing: the same for the test subset and for any other folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model, reporting
from ferflow.data.fer_plus import Votes
from ferflow.data.store import Column, write_csv
from ferflow.errors import ModelError
from ferflow.files import write_json
from ferflow.labels import EMOTIONS
from ferflow.params import EvaluateParams
from ferflow.progress import say

if TYPE_CHECKING:
    from ferflow.explain.heatmap import Run
    from ferflow.model.calibration import Confidence
    from ferflow.model.metrics import ClassScores, Scores
    from ferflow.model.second_yardstick import SecondYardstick

# Decimals of the probabilities in predictions.csv; every figure is of these rounded ones.
DECIMALS = 6


@dataclass(frozen=True)
class ScoredImages:
    """The images that are scored, checked.

    Attributes:
        images: (N, 48, 48) uint8, 0-255, grey; N is at least 1.
        labels: (N,) uint8, index into `EMOTIONS`.
        leaked: (N,) bool: the image has a copy in train or val.
        files: (N,) names.
        counts: Subset (train, val, test) to emotion to number of images.
        num_exact: Number of leaked images whose copy is equal to the pixel.
        votes: (N, 10) uint8: the answers of FER+ about each image; None where there are none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    leaked: NDArray[np.bool_]
    files: Column
    counts: dict[str, dict[str, int]]
    num_exact: int
    votes: Votes | None = None


@dataclass(frozen=True)
class EvaluateReport:
    """The figures of scored images; saved as `metrics.json`, `scores` at its top level.

    Attributes:
        scores: On all images.
        leak_free: On those that are not leaked.
        per_class: Emotion to its figures, on all images.
        confidence: What the confidence is worth, on both.
        second: The accuracy against the votes of FER+; None where there are none.
    """

    scores: Scores
    leak_free: Scores
    per_class: dict[str, ClassScores]
    confidence: Confidence
    second: SecondYardstick | None = None

    def as_json(self) -> dict[str, object]:
        """The content of `metrics.json`."""
        second = {} if self.second is None else {"fer_plus": asdict(self.second)}
        return {
            **asdict(self.scores),
            "temperature": self.confidence.temperature,
            **self.confidence.full.as_json(),
            "leak_free": {**asdict(self.leak_free), **self.confidence.leak_free.as_json()},
            "per_class": {name: asdict(entry) for name, entry in self.per_class.items()},
            **second,
        }

    def in_short(self) -> dict[str, object]:
        """The content of `scores.json`: what is compared first, few enough rows for `dvc metrics diff`."""
        return {
            "accuracy": self.scores.accuracy,
            "accuracy_leak_free": self.leak_free.accuracy,
            "f1_macro": self.scores.f1_macro,
            "f1_macro_leak_free": self.leak_free.f1_macro,
            "recall": {name: entry.recall for name, entry in self.per_class.items()},
            "temperature": self.confidence.temperature,
        }

    def line(self) -> str:
        """The figures in one line."""
        parts = [("test images", self.scores), ("of them without a copy in train or val", self.leak_free)]
        said = [
            f"{scores.num_images:,} {which}"
            + (f": {scores.accuracy:.1%} right" if scores.accuracy is not None else "")
            for which, scores in parts
        ]
        return f"scored {'; '.join(said)}"


def predict(
    network: Any, images: NDArray[np.uint8], params: EvaluateParams, *, label: str | None = "predicting"
) -> NDArray[np.float64]:
    """Probabilities as they are scored and written: (N, 7), rounded to 6 decimals; `label` shows progress.

    Raises:
        ModelError: The network gives no probabilities, or memory is short.
    """
    return model.prediction.predict_probabilities(
        network,
        images,
        batch_size=params.batch_size,
        test_time_augmentation=params.test_time_augmentation,
        label=label,
    ).round(DECIMALS)


def score_images(
    scored: ScoredImages,
    probabilities: NDArray[np.float64],
    params: EvaluateParams,
    *,
    temperature: float | None,
    thresholds: Mapping[str, float | None],
) -> EvaluateReport:
    """The figures of predictions, with and without leaked images.

    Args:
        scored: The images.
        probabilities: (N, 7) float64, of `predict`.
        params: How to score.
        temperature: The temperature of the confidence, fitted on validation images.
        thresholds: Wanted accuracy to the confidence chosen for it on validation images.
    """
    labels = scored.labels
    parts = (np.full(len(labels), True), ~scored.leaked)
    scores, leak_free = (
        model.metrics.score(
            labels[rows],
            probabilities[rows],
            confidence_level=params.confidence_level,
            calibration_bins=params.calibration_bins,
        )
        for rows in parts
    )
    sure, sure_leak_free = (
        model.calibration.calibrated(
            labels[rows],
            probabilities[rows],
            temperature=temperature,
            thresholds=thresholds,
            calibration_bins=params.calibration_bins,
        )
        for rows in parts
    )
    confidence = model.calibration.Confidence(temperature, sure, sure_leak_free)
    second = None
    if scored.votes is not None:
        second = model.second_yardstick.score_votes(
            scored.votes,
            labels,
            probabilities,
            leaked=scored.leaked,
            confidence_level=params.confidence_level,
        )
    return EvaluateReport(
        scores, leak_free, model.metrics.score_classes(labels, probabilities), confidence, second
    )


def write_results(
    output_dir: Path,
    open_run: Callable[[], Run],
    scored: ScoredImages,
    probabilities: NDArray[np.float64],
    report: EvaluateReport,
    params: EvaluateParams,
    *,
    folder: Mapping[str, Any] | None = None,
) -> None:
    """Write predictions, plots, page and figures.

    Args:
        output_dir: Where they go, and where the page looks for reports of earlier stages.
        open_run: Gives the network that answered as heatmaps take it.
        scored: The images.
        probabilities: (N, 7) float64: its answers.
        report: Their figures.
        params: How they were scored.
        folder: What is known of a folder that is not the test subset; goes into `metrics.json`, too.

    Raises:
        DataError: A report of an earlier stage is damaged.
        OutputError: A result cannot be written.
    """
    _say_what_is_undefined(report)
    _write_predictions(scored, probabilities, output_dir / "predictions.csv")
    matrix = model.metrics.confusion_matrix(scored.labels, probabilities.argmax(axis=1))
    results = reporting.page.Results(
        report.scores,
        report.leak_free,
        report.per_class,
        matrix,
        scored.counts,
        scored.num_exact,
        report.confidence,
        report.second,
    )
    origin = reporting.comparison.origin_of(reporting.outline.read_report(output_dir / "download.json"))
    reporting.plot_folder.write_plot_folder(
        output_dir / "plots",
        results,
        images=scored.images,
        labels=scored.labels,
        probabilities=probabilities,
        leaked=scored.leaked,
        calibration_bins=params.calibration_bins,
        is_comparable=folder is None and origin.is_comparable,
    )
    _draw_evidence(open_run, scored, probabilities, output_dir / "plots" / "grad_cam.png")
    reporting.page.write_page(
        output_dir / "report.html", results, params=params, reports_dir=output_dir, folder=folder
    )
    extra = {} if folder is None else {"folder": dict(folder)}
    write_json(output_dir / "metrics.json", {**report.as_json(), **extra})
    write_json(output_dir / "scores.json", report.in_short())


def _say_what_is_undefined(report: EvaluateReport) -> None:
    absent = [name for name, entry in report.per_class.items() if entry.support == 0]
    if absent:
        say(f"no test image of {', '.join(absent)}: recall and areas are null there and count in no mean")
    if report.scores.auc_ovr_weighted is None:
        say("all test images are of one class: areas under the curve are not defined (null)")
    if report.leak_free.num_images == 0:
        say("every test image is leaked: the figures without leaked images are null")


def _draw_evidence(
    open_run: Callable[[], Run], scored: ScoredImages, probabilities: NDArray[np.float64], path: Path
) -> None:
    """Draw where the evidence lies in a few faces; of a network with another head say that it cannot be."""
    try:
        run_network = open_run()
    except ModelError as error:
        say(f"no gallery of heatmaps: {error}")
        return
    reporting.gallery.write_gallery(
        path, run_network, images=scored.images, labels=scored.labels, probabilities=probabilities
    )


def _write_predictions(scored: ScoredImages, probabilities: NDArray[np.float64], path: Path) -> None:
    names = np.array(EMOTIONS)
    columns = {
        "file": scored.files,
        "label": names[scored.labels],
        "predicted": names[probabilities.argmax(axis=1)],
        "leaked": np.where(scored.leaked, "true", "false"),
    }
    for index, emotion in enumerate(EMOTIONS):
        columns[f"p_{emotion}"] = np.char.mod(f"%.{DECIMALS}f", probabilities[:, index])
    write_csv(path, columns)
