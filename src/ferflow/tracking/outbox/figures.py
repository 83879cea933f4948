"""The figures of reports as metrics of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferflow import files
from ferflow.errors import DataError
from ferflow.tracking import names

_CURE = "run 'dvc repro'"
# Of `metrics.json`, at its top level and in `leak_free`: key to the end of the metric's name.
_SCORES = {
    "accuracy": "accuracy",
    "accuracy_low": "accuracy_low",
    "accuracy_high": "accuracy_high",
    "f1_macro": "macro_f1",
    "f1_weighted": "weighted_f1",
    "auc_ovr_weighted": "weighted_auc",
    "ece": "calibration_error",
    "num_images": "images",
}


def read_json(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """A report of a stage.

    Args:
        path: The file.
        keys: Those that it must have.

    Raises:
        DataError: It is missing, is no JSON object, or lacks a key.
    """
    content = files.read_json(path, cure=_CURE)
    missing = [key for key in keys if key not in content]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; {_CURE}")
    return content


def training_metrics(report: dict[str, Any]) -> dict[str, float]:
    """The figures of a `train.json`."""
    return {
        names.BEST_VAL_ACCURACY: float(report["val_accuracy"]),
        names.BEST_EPOCH: float(report["best_epoch"]),
        names.PARAMETERS: float(report["parameters"]["total"]),
        "epochs_run": float(report["epochs_run"]),
    }


def test_metrics(report: dict[str, Any]) -> dict[str, float]:
    """The figures of a `metrics.json`: of all test images, the leak-free ones, recall by class, temperature.

    Figures that are not defined are left out.
    """
    found: dict[str, float | None] = {}
    for prefix, scores in (("test", report), ("leak_free", report["leak_free"])):
        found |= {f"{prefix}_{name}": scores[key] for key, name in _SCORES.items()}
    found |= {f"recall_{emotion}": scores["recall"] for emotion, scores in report["per_class"].items()}
    second = report.get("fer_plus", {})  # There only where the images came with votes.
    for prefix, scores in (("fer_plus", second), ("fer_plus_leak_free", second.get("leak_free", {}))):
        found |= {f"{prefix}_{_SCORES[key]}": value for key, value in scores.items() if key in _SCORES}
    found[names.TEMPERATURE] = report.get("temperature")  # Reports of earlier versions have none.
    return {name: float(value) for name, value in found.items() if value is not None}


def describe_scores(report: dict[str, Any]) -> str:
    """Accuracy with its interval, of all test images and of the leak-free ones, in words."""
    parts = []
    for name, scores in (("Test", report), ("Leak-free", report["leak_free"])):
        if scores["accuracy"] is None:
            parts.append(f"{name} accuracy: not defined.")
            continue
        parts.append(
            f"{name} accuracy {scores['accuracy']:.2%} ({scores['accuracy_low']:.2%} to "
            f"{scores['accuracy_high']:.2%}) on {scores['num_images']:,} images."
        )
    return " ".join(parts)
