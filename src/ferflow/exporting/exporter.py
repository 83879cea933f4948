"""Write the export folder: convert, check against Keras, refuse what drifts.

What is checked is what serves: the fresh files answer by `ferflow.serving.network`. The folder takes the
place of the old one when all of it is right; before, the old one stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model, reporting, serving
from ferflow.data.store import Images
from ferflow.errors import DataError, DetectorError, ModelError
from ferflow.exporting.model_card import CARD, write_card
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import EvaluateParams, ExportParams
from ferflow.progress import say, track
from ferflow.serving.export_folder import DESCRIPTION, DETECTOR, MODELS, Description, Precision

# Faces of one call, between which progress is told.
_BATCH = 256
# As `predictions.csv` has them; what the figures of both sides are of.
_DECIMALS = 6


@dataclass(frozen=True)
class Subject:
    """What is exported, and what is known of it.

    Attributes:
        network: The `.keras` file.
        name: The name of the registered model.
        version: The version of the registry; None for a bare file.
        run_id: The id of the run that trained it; None for a bare file.
        test_time_augmentation: The views that it was scored with.
        confidence_level: The confidence level of the intervals of its figures.
        reports: Name, such as `metrics.json`, to content; of the stages that made it.
        lineage: Tag to text: where it comes from.
    """

    network: Path
    name: str
    version: str | None
    run_id: str | None
    test_time_augmentation: str
    confidence_level: float
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)


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


def write_export(
    subject: Subject,
    material: CheckImages,
    limits: ExportParams,
    evaluation: EvaluateParams,
    *,
    raw_dir: Path,
    output_dir: Path,
) -> Description:
    """Export a network, with all that goes with it.

    Args:
        subject: What is exported.
        material: What it is checked by.
        limits: How far it may be from Keras.
        evaluation: Images a step, and how figures are made that no report has.
        raw_dir: Folder of the download stage, for the detector.
        output_dir: The folder that is replaced.

    Returns:
        What `export.json` holds.

    Raises:
        ModelError: The network cannot be loaded or converted, or what came out differs too much.
        DetectorError: The detector that the network's faces were found by is not there.
        OutputError: The folder cannot be written.
    """
    model.export.check_backend()
    network = model.network.load_network(subject.network)
    detector = _detector_of(subject, raw_dir / DETECTOR)
    with atomic_directory(output_dir) as fresh:
        say("converting to ONNX")
        float32, int8 = (fresh / name for name in MODELS.values())
        model.export.write_onnx(network, float32, test_time_augmentation=subject.test_time_augmentation)
        say(f"quantising by {len(material.calibration):,} validation images")
        model.export.write_int8(float32, int8, material.calibration)
        if detector is not None:
            shutil.copyfile(raw_dir / DETECTOR, fresh / DETECTOR)
        bare = _describe(subject, fresh, detector)
        expected = _answers_of_keras(network, material.images, subject, evaluation)
        figures = _figures(subject, material, expected, limits, evaluation)
        checks = _check(bare, fresh, material, expected, limits)
        card = write_card(
            replace(bare, checks=checks),
            figures,
            confidence_level=subject.confidence_level,
            reports=subject.reports,
            lineage=subject.lineage,
        )
        (fresh / CARD).write_text(card, encoding="utf-8")
        files = {**bare.files, CARD: sha256_of(fresh / CARD)}
        description = replace(bare, checks=checks, files=files, figures=headline(figures))
        # Last: a folder without it is no export.
        write_json(fresh / DESCRIPTION, asdict(description))
    return description


def calibration_images(validation: Images, number: int) -> Images:
    """So many validation images, evenly spread; all of them where there are fewer."""
    rows = np.unique(np.linspace(0, len(validation) - 1, number).astype(int))
    return np.ascontiguousarray(validation[rows])


def headline(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a `metrics.json` that a list of models shows."""
    keys = ("accuracy", "f1_macro", "num_images")
    parts = {"": figures, "leak_free_": figures["leak_free"]}
    return {f"{prefix}{key}": part[key] for prefix, part in parts.items() for key in keys}


def _trained_on(report: Mapping[str, Any] | None) -> str | None:
    origin = reporting.comparison.origin_of(report)
    return None if origin is reporting.comparison.Origin.UNKNOWN else origin.value


def _detector_of(subject: Subject, path: Path) -> str | None:
    """SHA-256 of YuNet's file where the network's faces were found by it; None for the Haar cascades.

    Raises:
        DetectorError: The file is missing or another one.
    """
    report = subject.reports.get("download.json", {})
    found = sha256_of(path) if path.is_file() else None
    kind = report.get("detector", "yunet" if found else "haar")
    if kind == "haar":
        return None
    expected = report.get("detector_sha256") or found
    if found is None or found != expected:
        state = "not found" if found is None else f"has sha256 {found}"
        raise DetectorError(
            f"{path}: {state}, but the network's faces were found by YuNet with sha256 {expected}; bring it "
            "back with 'dvc repro download'"
        )
    return found


def _describe(subject: Subject, folder: Path, detector: str | None) -> Description:
    return Description(
        name=subject.name,
        version=subject.version,
        run_id=subject.run_id,
        model_sha256=sha256_of(subject.network),
        labels=EMOTIONS,
        image_size=IMAGE_SIZE,
        test_time_augmentation=subject.test_time_augmentation,
        temperature=subject.reports.get("metrics.json", {}).get("temperature"),
        detector="haar" if detector is None else "yunet",
        detector_sha256=detector,
        files={path.name: sha256_of(path) for path in sorted(folder.glob("*.onnx"))},
        checks={},
        trained_on=_trained_on(subject.reports.get("download.json")),
    )


def _answers_of_keras(
    network: Any, images: Images, subject: Subject, evaluation: EvaluateParams
) -> NDArray[np.float64]:
    with model.backend.memory_errors(
        "evaluate.batch_size", evaluation.batch_size, model.network.image_size_of(network)
    ):
        return model.prediction.predict_probabilities(
            network,
            images,
            batch_size=evaluation.batch_size,
            test_time_augmentation=subject.test_time_augmentation,
            label="answers of Keras",
        )


def _check(
    bare: Description,
    folder: Path,
    material: CheckImages,
    expected: NDArray[np.float64],
    limits: ExportParams,
) -> dict[str, Any]:
    """The figures of both files beside Keras.

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


def _figures(
    subject: Subject,
    material: CheckImages,
    answers: NDArray[np.float64],
    limits: ExportParams,
    evaluation: EvaluateParams,
) -> Mapping[str, Any]:
    """The content of `metrics.json`; made anew where no report has it.

    Raises:
        ModelError: The report is about another network or other images.
        DataError: The report lacks a figure.
    """
    report = subject.reports.get("metrics.json")
    if report is None:
        rounded = answers.round(_DECIMALS)
        every, unseen = (
            model.metrics.score(
                material.labels[rows],
                rounded[rows],
                confidence_level=subject.confidence_level,
                calibration_bins=evaluation.calibration_bins,
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
