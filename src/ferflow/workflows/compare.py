"""Put runs beside each other: what differs, and which one is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferflow import paths
from ferflow.tracking.comparison import compare as comparing
from ferflow.tracking.comparison.compare import Comparison
from ferflow.tracking.comparison.compare_page import write_comparison
from ferflow.tracking.comparison.compared_run import load_runs
from ferflow.tracking.store import experiment_id, open_existing
from ferflow.tracking.tracked_run import find_run, newest_runs


@dataclass(frozen=True)
class CompareReport:
    """Runs beside each other.

    Attributes:
        comparison: The runs, with figures, intervals and verdicts.
        text: The same for people.
        page: The page that was written.
    """

    comparison: Comparison
    text: str
    page: Path


def compare(
    runs: Sequence[str] = (), *, last: int = 4, output: Path = paths.REPORTS / "compare" / "index.html"
) -> CompareReport:
    """Compare runs and write a page, with learning curves and differences of confusions.

    Args:
        runs: Ids, first digits or names; without any the newest ones.
        last: How many of the newest.
        output: The page.

    Raises:
        TrackingError: There is no store, no such run, or too few.
        DataError: The predictions of a run are damaged.
        OutputError: The page cannot be written.
    """
    store = open_existing(Path())
    experiment = experiment_id(store)
    if runs:
        chosen = [find_run(store, experiment, run) for run in runs]
    else:
        chosen = newest_runs(store, experiment, number=last)
    comparison = comparing.compare(load_runs(store, chosen))
    write_comparison(output, comparison)
    return CompareReport(comparison, comparing.in_text(comparison), output)
