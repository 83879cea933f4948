"""Whether an export answers as Keras does, and as the figures say that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model, serving
from ferflow.data.store import Images
from ferflow.errors import DataError, ModelError
from ferflow.params import ExportParams
from ferflow.progress import track
from ferflow.serving.export_folder import MODELS, Description, Precision

# Faces of one call, between which progress is told.
_BATCH = 256
# As `predictions.csv` has them; what the figures of both sides are of.
_DECIMALS = 6


@dataclass(frozen=True)
class CheckImages:
    """The images that an export is checked and quantised by.

    Attributes:
        images: (N, 48, 48) uint8, 0-255: the test images.
        labels: (N,) uint8, index into `EMOTIONS`.
        leaked: (N,) bool: the image has a copy in train or val.
        calibration: (M, 48, 48) uint8, 0-255: validation images.
    """

    images: Images
    labels: NDArray[np.uint8]
    leaked: NDArray[np.bool_]
    calibration: Images


def calibration_images(validation: Images, number: int) -> Images:
    """So many validation images, evenly spread; all of them where there are fewer."""
    rows = np.unique(np.linspace(0, len(validation) - 1, number).astype(int))
    return np.ascontiguousarray(validation[rows])


def check_answers(
    bare: Description,
    folder: Path,
    material: CheckImages,
    expected: NDArray[np.float64],
    limits: ExportParams,
) -> dict[str, Any]:
    """The figures of both files beside Keras.

    Args:
        bare: The description of the export, without these figures.
        folder: Where the files are.
        material: What they are checked by.
        expected: (N, 7) probabilities of Keras.
        limits: How far they may be away.

    Raises:
        ModelError: One is further away than the limits allow.
    """
    right = _accuracy(material, expected)
    checks: dict[str, Any] = {
        "images": len(material.images),
        "calibration_images": len(material.calibration),
        "keras_accuracy": right,
    }
    for precision in ("float32", "int8"):
        answers = _answers_of_onnx(bare, folder, material.images, precision)
        difference = float(np.abs(answers - expected).max())
        accuracy = _accuracy(material, answers)
        checks[precision] = {"max_difference": float(f"{difference:.2g}"), "accuracy": accuracy}
        if precision == "float32" and not difference <= limits.max_difference:
            raise ModelError(
                f"{MODELS[precision]}: its probabilities differ from Keras' by up to {difference:.2g} on "
                f"{len(answers):,} test images, expected at most {limits.max_difference:g} "
                "(export.max_difference); nothing was exported: see that tf2onnx, onnx and onnxruntime are "
                "of the versions in requirements.txt"
            )
        if not right - accuracy <= limits.max_accuracy_loss:
            raise ModelError(
                f"{MODELS[precision]}: its accuracy is {accuracy:.4f} on {len(answers):,} test images, but "
                f"Keras' {right:.4f}, expected a loss of at most {limits.max_accuracy_loss:g} "
                "(export.max_accuracy_loss); nothing was exported: raise export.calibration_images, or the "
                "limit if you can bear the loss"
            )
    return checks


def _answers_of_onnx(
    bare: Description, folder: Path, images: Images, precision: Precision
) -> NDArray[np.float64]:
    network = serving.network.Network(folder, bare, precision=precision, threads=None)
    batches = range(0, len(images), _BATCH)

    def answers() -> Iterator[NDArray[np.float32]]:
        for start in track(
            batches, total=len(batches), label=f"answers of {MODELS[precision]}", unit="batches"
        ):
            yield network.predict(images[start : start + _BATCH])

    return np.concatenate(list(answers())).astype(np.float64)


def _accuracy(material: CheckImages, probabilities: NDArray[np.float64]) -> float:
    right = probabilities.round(_DECIMALS).argmax(axis=1) == material.labels
    return round(float(right.mean()), _DECIMALS)


def figures_of(
    report: Mapping[str, Any] | None,
    material: CheckImages,
    answers: NDArray[np.float64],
    limits: ExportParams,
    *,
    confidence_level: float,
    calibration_bins: int,
) -> Mapping[str, Any]:
    """The content of `metrics.json`; made anew where no report has it.

    Args:
        report: The `metrics.json` that goes with the network; None where there is none.
        material: The images that it is checked by.
        answers: (N, 7) probabilities of Keras.
        limits: How far accuracies may be apart.
        confidence_level: The level of intervals that no report has, 0-1.
        calibration_bins: Number of bins of a calibration error that no report has.

    Raises:
        ModelError: The report is about another network or other images.
        DataError: The report lacks a figure.
    """
    if report is None:
        rounded = answers.round(_DECIMALS)
        every, unseen = (
            model.metrics.score(
                material.labels[rows],
                rounded[rows],
                confidence_level=confidence_level,
                calibration_bins=calibration_bins,
            )
            for rows in (np.full(len(rounded), True), ~material.leaked)
        )
        classes = model.metrics.score_classes(material.labels, rounded)
        return {
            **asdict(every),
            "leak_free": asdict(unseen),
            "per_class": {name: asdict(entry) for name, entry in classes.items()},
        }
    missing = [key for key in ("accuracy", "num_images", "leak_free", "per_class") if key not in report]
    if missing:
        raise DataError(
            f"metrics.json: lacks {', '.join(missing)}; score the network with 'ferflow evaluate'"
        )
    accuracy = _accuracy(material, answers)
    same_images = report["num_images"] == len(answers)
    if not same_images or not abs(report["accuracy"] - accuracy) <= limits.max_accuracy_loss:
        raise ModelError(
            f"metrics.json: says accuracy {report['accuracy']} on {report['num_images']:,} images, but the "
            f"network has {accuracy} on {len(answers):,} now; nothing was exported: score it again with "
            "'ferflow evaluate', and register that run"
        )
    return report
