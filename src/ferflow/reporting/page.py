"""The page of a run: one HTML file with everything in it, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.files import atomic_file, png_data_uri
from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.model.calibration import Confidence
from ferflow.model.metrics import ClassScores, Scores
from ferflow.model.second_yardstick import SecondYardstick
from ferflow.params import EvaluateParams
from ferflow.reporting.abstention import accuracy_table, confidence_table, coverage_table
from ferflow.reporting.comparison import (
    Origin,
    accuracy_strip,
    dataset_table,
    metrics_table,
    origin_of,
    percent,
    ranked_models,
    standing,
)
from ferflow.reporting.outline import Outline, Table, format_value, outline, read_report
from ferflow.reporting.templates import load_template

_EARLIER_STAGES = ("download", "face_filter", "data", "train")


@dataclass(frozen=True)
class Results:
    """What the evaluation found.

    Attributes:
        scores: Figures on the whole test subset.
        leak_free: The same without leaked images.
        classes: Emotion to its figures.
        matrix: (7, 7) int64 counts of (true class, predicted class).
        counts: Subset (train, val, test) to emotion to number of images.
        num_exact: Number of leaked images whose copy is equal to the pixel.
        confidence: What the confidence is worth.
        second: The accuracy against the votes of FER+; None where the images came without them.
    """

    scores: Scores
    leak_free: Scores
    classes: Mapping[str, ClassScores]
    matrix: NDArray[np.int64]
    counts: Mapping[str, Mapping[str, int]]
    num_exact: int
    confidence: Confidence
    second: SecondYardstick | None = None


def write_page(
    path: Path,
    results: Results,
    *,
    params: EvaluateParams,
    reports_dir: Path,
    folder: Mapping[str, Any] | None = None,
) -> None:
    """Write the page; sections of stages that left no report tell that.

    Args:
        path: The HTML file.
        results: What it is about.
        params: How it was scored.
        reports_dir: Where download.json, face_filter.json, data.json, train.json, dropped.png,
            history.png and plots/*.png are looked for.
        folder: What is known of a folder of images that is not the test subset: its page tells of these
            facts where the other tells of the paper, training and data.

    Raises:
        DataError: A report of an earlier stage is there but damaged.
        OutputError: The page cannot be written.
    """
    reports = {name: read_report(reports_dir / f"{name}.json") for name in _EARLIER_STAGES}
    origin = Origin.OTHER if folder is not None else origin_of(reports["download"])
    page = load_template("report.html").render(
        _comparison(results, origin, params) | _abstention(results.confidence),
        results=results,
        folder=folder,
        folder_outline=outline(folder or {}),
        emotions=EMOTIONS,
        paper=paper,
        confusions=confusion_table(results.matrix),
        metrics=_metrics(results, with_paper=folder is None),
        class_figures=class_table(results.classes, with_paper=folder is None),
        absent=[name for name, entry in results.classes.items() if entry.support == 0],
        outlines={
            name: outline(_facts(name, report)) for name, report in reports.items() if report is not None
        },
        settings=parameter_outline(params, reports["train"]),
        images=_images(reports_dir),
        percent=percent,
        format_value=format_value,
    )
    with atomic_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")


def class_table(classes: Mapping[str, ClassScores], *, with_paper: bool) -> Table:
    """The figures of each class, beside the paper's recall where that is wanted."""
    columns = {
        "class": list(classes),
        "images": [format_value(entry.support) for entry in classes.values()],
        "recall": [percent(entry.recall) for entry in classes.values()],
        "the paper's recall": [percent(paper.CLASS_RECALLS[name], decimals=0) for name in classes],
        "precision": [percent(entry.precision) for entry in classes.values()],
        "F1": [percent(entry.f1) for entry in classes.values()],
        "AUC of probabilities": [percent(entry.auc) for entry in classes.values()],
    }
    if not with_paper:
        del columns["the paper's recall"]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return Table("Figures of each class", list(columns), rows)


def confusion_table(matrix: NDArray[np.int64]) -> Table:
    """Counts of (true class, predicted class)."""
    rows = [[name, *map(format_value, row)] for name, row in zip(EMOTIONS, matrix.tolist(), strict=True)]
    return Table("Rows: true class; columns: predicted class", ["true", *EMOTIONS], rows)


def parameter_outline(params: EvaluateParams, train_report: Mapping[str, Any] | None) -> Outline:
    """The parameters that are known to have led to the scores."""
    trained = (train_report or {}).get("params", {})
    return outline({**trained, "evaluate": params.model_dump()})


def _comparison(results: Results, origin: Origin, params: EvaluateParams) -> dict[str, Any]:
    """What the page says about this run and the paper."""
    is_comparable = origin.is_comparable
    scores, leak_free, level = results.scores, results.leak_free, params.confidence_level
    return {
        "origin": origin.name,
        "is_comparable": is_comparable,
        "level": f"{level:.0%}" if round(level * 100) == level * 100 else f"{level:.1%}",
        "standing": standing(scores, leak_free, confidence_level=level) if is_comparable else "",
        "strip": accuracy_strip(scores, leak_free, confidence_level=level, with_paper=is_comparable),
        "models": ranked_models(scores.accuracy or 0.0, is_comparable=is_comparable),
        "dataset": dataset_table(results.counts),
        "num_leaked": scores.num_images - leak_free.num_images,
        "most_common": max(entry.support for entry in results.classes.values()) / scores.num_images,
    }


def _metrics(results: Results, *, with_paper: bool) -> Table:
    table = metrics_table(results.scores, results.leak_free)
    if with_paper:
        return table
    rows = [[name.removesuffix(" (the paper's)"), *figures] for name, _, *figures in table.rows]
    return Table(table.title, ["metric", "these images", "without leaked images"], rows)


def _abstention(confidence: Confidence) -> dict[str, Any]:
    """What the page says about abstaining."""
    return {
        "temperature": confidence.temperature,
        "by_coverage": coverage_table(confidence),
        "by_confidence": confidence_table(confidence),
        "by_accuracy": accuracy_table(confidence),
    }


def _facts(name: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the page's section of a stage shows: parameters have a section of their own."""
    return {key: value for key, value in report.items() if not (name == "train" and key == "params")}


def _images(reports_dir: Path) -> dict[str, str]:
    """File stem to data URI of every picture of the reports."""
    paths = [*sorted(reports_dir.glob("*.png")), *sorted((reports_dir / "plots").glob("*.png"))]
    return {path.stem: png_data_uri(path) for path in paths}
