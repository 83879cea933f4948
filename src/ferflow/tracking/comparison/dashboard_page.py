"""The page of all runs: one HTML file with everything in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferflow.files import atomic_file
from ferflow.labels import EMOTIONS
from ferflow.reporting.templates import load_template
from ferflow.tracking import names
from ferflow.tracking.comparison.dashboard import (
    MAX_ANSWERS,
    MAX_PICTURES,
    Dashboard,
    content,
)
from ferflow.tracking.tracked_run import TrackedRun

# Figure to the head of its column and how it is written.
_FIGURES = {
    names.LEAK_FREE_ACCURACY: ("leak-free accuracy", ".1%"),
    names.TEST_ACCURACY: ("test accuracy", ".1%"),
    names.BEST_VAL_ACCURACY: ("validation accuracy", ".1%"),
    names.TEST_MACRO_F1: ("macro F1", ".3f"),
    names.BEST_EPOCH: ("best epoch", ",.0f"),
    names.PARAMETERS: ("parameters", ",.0f"),
    names.MULTIPLY_ADDS: ("multiply-adds", ",.0f"),
    names.TRAIN_SECONDS: ("training in s", ",.0f"),
}
_KEYS_SHOWN = 6
_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A cell of the table.

    Attributes:
        text: What is shown.
        value: What it sorts by.
    """

    text: str
    value: float | str


def write_dashboard(path: Path, dashboard: Dashboard, *, test_images: Path) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        dashboard: The runs.
        test_images: `test.npz` of the split at hand, which may be missing.

    Raises:
        OutputError: The page cannot be written.
        DataError: The split at hand is damaged.
    """
    shown = dashboard.keys[:_KEYS_SHOWN]
    kept = {
        name: entry for name, entry in _FIGURES.items() if any(name in run.metrics for run in dashboard.runs)
    }
    page = load_template("runs.html").render(
        columns=["run", "started (UTC)", *(head for head, _ in kept.values()), *shown],
        rows=[
            {
                "id": run.run_id,
                "name": run.name,
                "description": run.description,
                "cells": _cells(run, kept, shown),
            }
            for run in dashboard.runs
        ],
        keys={key: sorted({run.params.get(key, "") for run in dashboard.runs}) for key in dashboard.keys},
        emotions=EMOTIONS,
        comparable=sum(len(found.answers) for found in dashboard.test_sets),
        sets=len(dashboard.test_sets),
        max_answers=MAX_ANSWERS,
        max_pictures=MAX_PICTURES,
        content=content(dashboard, test_images=test_images),
    )
    with atomic_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")


def _cells(run: TrackedRun, figures: dict[str, tuple[str, str]], keys: list[str]) -> list[Cell]:
    cells = [Cell(f"{run.started_at:%Y-%m-%d %H:%M}", run.started)]
    for name, (_, form) in figures.items():
        value = run.metrics.get(name)
        cells.append(Cell(_NOTHING, "") if value is None else Cell(format(value, form), value))
    for key in keys:
        text = run.params.get(key, _NOTHING)
        cells.append(Cell(text, _number(text)))
    return cells


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
