"""A few lines that tell a person how the last run went and where to look next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ferflow.errors import DataError


def summarise(reports_dir: Path) -> str:
    """The last run in a few lines.

    Args:
        reports_dir: Folder with the stages' reports.

    Raises:
        DataError: A report is missing or damaged.
    """
    metrics, training, source = (
        _read(reports_dir / name) for name in ("metrics.json", "train.json", "download.json")
    )
    lines = [
        f"accuracy   {_accuracy(metrics)} test images",
        f"leak-free  {_accuracy(metrics['leak_free'])} without a copy in train",
        f"trained    {training['parameters']['total']:,} parameters, best epoch {training['best_epoch']} of "
        f"{training['epochs_run']}, validation accuracy {training['val_accuracy']:.4f}",
    ]
    if source["source"] == "sample":
        lines.append(
            "data       drawn faces: the figures show that the pipeline works, not how well it knows people"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"Look next: {reports_dir / 'report.html'} in a browser; 'dvc metrics show'; 'dvc plots show'.",
            "Then:      'ferflow profile cpu' for the real FER-2013, or 'dvc exp run -S train.epochs=12'.",
        ]
    )


def _accuracy(scores: Any) -> str:
    if not scores["num_images"]:
        return "not defined: 0"
    return (
        f"{scores['accuracy']:.4f}  ({scores['accuracy_low']:.4f} to {scores['accuracy_high']:.4f}) "
        f"on {scores['num_images']:,}"
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: not found; run 'dvc repro' first") from None
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}); run 'dvc repro' again") from error
