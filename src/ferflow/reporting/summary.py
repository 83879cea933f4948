"""A few lines that tell a person how the last run went and where to look next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferflow.errors import DataError
from ferflow.params import Params
from ferflow.reporting.outline import read_report

_ABOUT_SAMPLE = (
    "data       drawn faces: the figures show that the pipeline works, not how well it knows people"
)
_TO_COMPARE = (
    "Compare:   'git add -A' and 'git commit' keep this state; then 'dvc exp run -S {}', 'ferflow compare'."
)
_AFTER_SAMPLE = "Then:      'ferflow profile cpu' for the real FER-2013."


def summarise(reports_dir: Path, params: Params) -> str:
    """The last run in a few lines.

    Args:
        reports_dir: Folder with the stages' reports.
        params: The parameters of now; it is said if the run had others.

    Raises:
        DataError: A report is missing or damaged.
    """
    names = ("metrics.json", "train.json", "download.json")
    metrics, training, source = (_read(reports_dir / name) for name in names)
    try:
        lines = _figures(metrics, training)
        is_sample = source["source"] == "sample"
        is_stale = "members" not in training and training["params"] != params.model_dump(
            include=set(training["params"])
        )
    except KeyError as error:
        raise DataError(f"{reports_dir}: a report lacks {error}; run 'dvc repro' again") from None
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{reports_dir}: a value in {', '.join(names)} is of another type than expected "
            f"({error}); run 'dvc repro' again"
        ) from None
    if is_stale or source["source"] != params.download.source:
        lines.insert(0, "These figures are of other parameters than params.yaml now holds; run 'dvc repro'.")
    if is_sample:
        lines.append(_ABOUT_SAMPLE)
    lines += [
        "",
        f"Look next: {reports_dir / 'report.html'} in a browser; 'ferflow runs'; 'dvc plots show'.",
    ]
    lines.append(_TO_COMPARE.format("train.epochs=30" if is_sample else "KEY=VALUE"))
    if is_sample:
        lines.append(_AFTER_SAMPLE)
    return "\n".join(lines)


def _figures(metrics: dict[str, Any], training: dict[str, Any]) -> list[str]:
    best = f"best epoch {training['best_epoch']} of {training['epochs_run']}"
    if "members" in training:
        best = f"the mean of {len(training['members'])} networks"
    return [
        f"accuracy   {_accuracy(metrics)} test images",
        f"leak-free  {_accuracy(metrics['leak_free'])} without a copy in train or val",
        f"trained    {training['parameters']['total']:,} parameters, {best}, validation accuracy "
        f"{training['val_accuracy']:.4f}",
    ]


def _accuracy(scores: Any) -> str:
    if not scores["num_images"]:
        return "not defined: 0"
    return (
        f"{scores['accuracy']:.4f}  ({scores['accuracy_low']:.4f} to {scores['accuracy_high']:.4f}) "
        f"on {scores['num_images']:,}"
    )


def _read(path: Path) -> dict[str, Any]:
    report = read_report(path)
    if report is None:
        raise DataError(f"{path}: not found; run 'dvc repro' first")
    return report
