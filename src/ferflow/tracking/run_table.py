"""The runs of the store as a table for a terminal of 120 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.reporting.outline import Table
from ferflow.tracking import names
from ferflow.tracking.store import experiment_id
from ferflow.tracking.text_table import render
from ferflow.tracking.tracked_run import FINISHED, TrackedRun, all_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What fits beside the figures in a line of 120 columns.
_LONGEST_NAME = 49


def run_table(client: MlflowClient, *, number: int) -> str:
    """The newest runs, the newest last.

    Args:
        client: The client of the store.
        number: How many at most.

    Raises:
        TrackingError: The store cannot be reached.
    """
    found = all_runs(client, experiment_id(client))
    if not found:
        return "no run is tracked here yet; 'dvc repro' makes one"
    columns = ["run", "name", "started", "validation", "leak-free", "test", "epochs", "seconds"]
    table = render(Table("Runs", columns, [_row(run) for run in found[:number][::-1]]), left=2)
    more = len(found) - number
    return f"{table}\n{more} older ones: --last {len(found)}" if more > 0 else table


def _row(run: TrackedRun) -> list[str]:
    cells = [
        _share(run.metrics.get(name))
        for name in (names.BEST_VAL_ACCURACY, names.LEAK_FREE_ACCURACY, names.TEST_ACCURACY)
    ]
    if run.status != FINISHED and cells[-1] == "-":
        cells[-1] = run.status.lower()
    name = (
        run.name
        if len(run.name) <= _LONGEST_NAME
        else f"{run.name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
    numbers = [run.metrics.get(key) for key in (names.BEST_EPOCH, names.TRAIN_SECONDS)]
    return [
        run.run_id[:8],
        name,
        f"{run.started_at.astimezone():%m-%d %H:%M}",
        *cells,
        *map(_number, numbers),
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
