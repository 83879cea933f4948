"""The page of a comparison: one HTML file with everything in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ferflow.files import atomic_file, png_data_uri
from ferflow.reporting.templates import load_template
from ferflow.tracking.comparison.compare import Comparison, headline
from ferflow.tracking.comparison.compare_plots import plot_confusion_difference, plot_curves
from ferflow.tracking.comparison.compared_run import ComparedRun
from ferflow.tracking.comparison.pairs import pair_table

# With more runs than these, only the best one's confusions are set against each other one's.
_MAX_RUNS_OF_ALL_PAIRS = 3


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        comparison: What it is about.

    Raises:
        OutputError: The page cannot be written.
    """
    page = load_template("compare.html").render(
        runs=[
            {
                "letter": run.letter,
                "name": run.run.name,
                "run_id": run.run.run_id,
                "started": f"{run.run.started_at:%Y-%m-%d %H:%M UTC}",
                "description": run.run.description,
                "accuracy": f"{run.leak_free_accuracy:.1%}",
            }
            for run in comparison.runs
        ],
        headline=headline(comparison),
        comparison=comparison,
        pairs=pair_table(comparison.pairs),
        curves=_picture_of_curves(comparison.runs),
        confusions=_confusions(comparison),
    )
    with atomic_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")


def compared_confusions(comparison: Comparison) -> list[tuple[ComparedRun, ComparedRun]]:
    """The pairs whose confusions are drawn: all of few runs, else the best run's with each other one."""
    pairs = [(pair.first, pair.second) for pair in comparison.pairs if pair.test is not None]
    if len(comparison.runs) <= _MAX_RUNS_OF_ALL_PAIRS:
        return pairs
    best = max(comparison.runs, key=lambda run: run.leak_free_accuracy)
    return [pair for pair in pairs if best in pair]


def _confusions(comparison: Comparison) -> list[dict[str, str]]:
    result = []
    with tempfile.TemporaryDirectory(prefix="ferflow-") as folder:
        for first, second in compared_confusions(comparison):
            path = Path(folder) / f"{first.letter}{second.letter}.png"
            plot_confusion_difference(first, second, path)
            result.append({"first": first.letter, "second": second.letter, "picture": png_data_uri(path)})
    return result


def _picture_of_curves(runs: list[ComparedRun]) -> str | None:
    if not any(run.history for run in runs):
        return None
    with tempfile.TemporaryDirectory(prefix="ferflow-") as folder:
        path = Path(folder) / "curves.png"
        plot_curves(runs, path)
        return png_data_uri(path)
