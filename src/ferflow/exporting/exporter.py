"""Write the export folder: convert, check against Keras, refuse what drifts.

What is checked is what serves: the fresh files answer by `ferflow.serving.network`. The folder takes the
place of the old one when all of it is right; before, the old one stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model, reporting
from ferflow.data.store import Images
from ferflow.errors import DetectorError
from ferflow.exporting.agreement import CheckImages, check_answers, figures_of
from ferflow.exporting.model_card import CARD, write_card
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import EvaluateParams, ExportParams
from ferflow.progress import say
from ferflow.serving.export_folder import DESCRIPTION, DETECTOR, MODELS, Description


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
        _convert(network, subject.test_time_augmentation, material.calibration, fresh)
        if detector is not None:
            shutil.copyfile(raw_dir / DETECTOR, fresh / DETECTOR)
        bare = _describe(subject, fresh, detector)
        expected = _answers_of_keras(network, material.images, subject, evaluation)
        figures = figures_of(
            subject.reports.get("metrics.json"),
            material,
            expected,
            limits,
            confidence_level=subject.confidence_level,
            calibration_bins=evaluation.calibration_bins,
        )
        checks = check_answers(bare, fresh, material, expected, limits)
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


def _convert(network: Any, test_time_augmentation: str, calibration: Images, folder: Path) -> None:
    """Write the network in both precisions."""
    say("converting to ONNX")
    float32, int8 = (folder / name for name in MODELS.values())
    model.export.write_onnx(network, float32, test_time_augmentation=test_time_augmentation)
    say(f"quantising by {len(calibration):,} validation images")
    model.export.write_int8(float32, int8, calibration)


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
    return model.prediction.predict_probabilities(
        network,
        images,
        batch_size=evaluation.batch_size,
        test_time_augmentation=subject.test_time_augmentation,
        label="answers of Keras",
    )
