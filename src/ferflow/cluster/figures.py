"""What a step shows in Kubeflow's pages: metrics, confusions, a curve, pictures and tables."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ferflow.data.store import read_csv
from ferflow.files import atomic_file, png_data_uri, read_json
from ferflow.labels import EMOTIONS

# Points of the curve: Kubeflow keeps them in a database row of metadata.
_NUM_THRESHOLDS = 101


class Metrics(Protocol):
    """The part of `kfp.dsl.Metrics` that is used."""

    def log_metric(self, metric: str, value: float) -> None:
        """Log a figure."""


class ClassificationMetrics(Protocol):
    """The part of `kfp.dsl.ClassificationMetrics` that is used."""

    def log_confusion_matrix(self, categories: list[str], matrix: list[list[int]]) -> None:
        """Log a matrix, a row a class."""

    def log_roc_curve(self, fpr: list[float], tpr: list[float], threshold: list[float]) -> None:
        """Log the points of a curve."""


def log_figures(metrics: Metrics, report: Mapping[str, Any]) -> None:
    """Log every number at the top of a report, and those of the leak-free images."""
    leak_free = {f"leak_free_{name}": value for name, value in report.get("leak_free", {}).items()}
    for name, value in {**report, **leak_free}.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            metrics.log_metric(name, float(value))


def log_classes(classification: ClassificationMetrics, predictions: Path) -> None:
    """Log the confusion matrix and the ROC curve of a scored test subset.

    The curve is the micro-average: each image counts seven times, once for each emotion.

    Args:
        classification: What logs them.
        predictions: `predictions.csv` of the evaluate stage.

    Raises:
        DataError: The file is missing or damaged.
    """
    probability_names = tuple(f"p_{emotion}" for emotion in EMOTIONS)
    columns = read_csv(predictions, ("label", "predicted", *probability_names))
    names = np.array(EMOTIONS)
    is_label = columns["label"][:, np.newaxis] == names
    is_predicted = columns["predicted"][:, np.newaxis] == names
    matrix = is_label.T.astype(np.int64) @ is_predicted.astype(np.int64)
    classification.log_confusion_matrix(list(EMOTIONS), matrix.tolist())
    scores = np.stack([columns[name].astype(np.float64) for name in probability_names], axis=1)
    thresholds = np.linspace(1, 0, _NUM_THRESHOLDS)
    found = scores[..., np.newaxis] >= thresholds
    hits = (found & is_label[..., np.newaxis]).sum(axis=(0, 1)) / max(1, is_label.sum())
    alarms = (found & ~is_label[..., np.newaxis]).sum(axis=(0, 1)) / max(1, (~is_label).sum())
    classification.log_roc_curve(alarms.tolist(), hits.tolist(), thresholds.round(2).tolist())


def write_pictures(target: Path, *, title: str, pictures: Sequence[Path]) -> None:
    """Write a page that holds pictures, and needs no other file.

    Args:
        target: The page.
        title: Its heading.
        pictures: PNG files; those that are absent are left out.

    Raises:
        OutputError: The page cannot be written.
    """
    shown = [
        f'<img alt="{html.escape(path.stem)}" style="max-width:100%" src="{png_data_uri(path)}">'
        for path in pictures
        if path.is_file()
    ]
    body = "\n".join(shown) or "<p>Nothing to show.</p>"
    heading = html.escape(title)
    write_text(
        target,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title></head>\n'
        f'<body style="font-family:sans-serif;background:#fff;color:#1b2230">\n<h1>{heading}</h1>\n'
        f"{body}\n</body></html>\n",
    )


def write_text(target: Path, text: str) -> None:
    """Write a text as a whole.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_file(target) as fresh:
        fresh.write_text(text, encoding="utf-8")


def count_table(title: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    """Counts as Markdown: a row for each outer key, a column for each inner one."""
    columns = list(dict.fromkeys(name for row in counts.values() for name in row))
    lines = [
        f"## {title}",
        "",
        f"| | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
        *(
            f"| {name} | {' | '.join(f'{row.get(column, 0):,}' for column in columns)} |"
            for name, row in counts.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def read_report(path: Path) -> dict[str, Any]:
    """A report that a stage has just written.

    Raises:
        DataError: It is missing or not JSON.
    """
    return read_json(path, cure="run the step again")
