"""The folder `reports/sweep`: trials as CSV, pictures, and a page that says what mattered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow import reporting
from ferflow.data.store import write_csv
from ferflow.files import atomic_directory, png_data_uri, write_json
from ferflow.params import Params
from ferflow.params.tune import Choice, Entry
from ferflow.tuning import words
from ferflow.tuning.results import Row, importances, rows_of
from ferflow.tuning.space import Space
from ferflow.tuning.sweep import Summary

if TYPE_CHECKING:
    from optuna import Study


FOLDER = "sweep"
PICTURES = ("history", "importances", "parallel_coordinates", "slices")


def write_report(
    target: Path,
    summary: Summary,
    study: Study,
    *,
    params: Params,
    origin: str,
    num_validation: int | None = None,
) -> tuple[list[Row], dict[str, float]]:
    """Replace the folder with the report of a study.

    Args:
        target: The folder.
        summary: The state of the study.
        study: The study.
        params: The parameters that it was made with.
        origin: Name of their file.
        num_validation: Images that trials are scored on, to say what a difference is worth.

    Returns:
        The trials, and the share of the differences that each key explains.

    Raises:
        OutputError: The folder cannot be written.
    """
    rows = rows_of(study, Space(params, origin=origin), epochs=params.train.epochs)
    epoch = min(params.tune.pruner_epochs, params.train.epochs)
    shares = importances(study, epoch=epoch, seed=params.seed)
    with atomic_directory(target) as folder:
        write_trials(folder / "trials.csv", rows, [entry.key for entry in params.tune.space])
        write_json(folder / "summary.json", {**summary.to_json(), "importances": shares})
        _draw(folder, rows, shares, params)
        _write_page(folder, summary, rows, shares, params, num_validation)
    return rows, shares


def write_trials(path: Path, rows: list[Row], keys: list[str]) -> None:
    """Write one row a trial; what a trial does not have is empty."""
    columns: dict[str, list[str]] = {
        "trial": [str(row.number) for row in rows],
        "state": [row.state for row in rows],
        "value": ["" if row.value is None else f"{row.value:.6f}" for row in rows],
        "epochs": [str(row.epochs) for row in rows],
        "planned_epochs": [str(row.planned) for row in rows],
        "seconds": ["" if row.seconds is None else f"{row.seconds:.1f}" for row in rows],
        "retry_of": ["" if row.retry_of is None else str(row.retry_of) for row in rows],
        "ended": [row.reason for row in rows],
    }
    columns |= {key: [_text(row.values.get(key)) for row in rows] for key in keys}
    write_csv(path, columns)


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _draw(folder: Path, rows: list[Row], shares: dict[str, float], params: Params) -> None:
    trials = [_drawn(row) for row in rows if row.state in ("complete", "pruned") and row.value is not None]
    keys = [_axis(entry) for entry in params.tune.space]
    reporting.sweep_plots.plot_history(trials, folder / "history.png")
    reporting.sweep_plots.plot_importances(
        shares or dict.fromkeys((key.key for key in keys), 0.0), folder / "importances.png"
    )
    reporting.sweep_plots.plot_parallel(trials, keys, folder / "parallel_coordinates.png")
    reporting.sweep_plots.plot_slices(trials, keys, folder / "slices.png")


def _drawn(row: Row) -> reporting.sweep_plots.SweepTrial:
    return reporting.sweep_plots.SweepTrial(
        number=row.number,
        state=row.state,
        value=row.value or 0.0,
        curve=row.curve,
        values=row.values,
        is_baseline=row.is_baseline,
    )


def _axis(entry: Entry) -> reporting.sweep_plots.SweepKey:
    if isinstance(entry, Choice):
        choices = tuple(str(choice) for choice in entry.choices)
        return reporting.sweep_plots.SweepKey(entry.key, 0, len(choices) - 1, False, choices)
    return reporting.sweep_plots.SweepKey(entry.key, entry.low, entry.high, entry.log)


def _write_page(
    folder: Path,
    summary: Summary,
    rows: list[Row],
    shares: dict[str, float],
    params: Params,
    num_validation: int | None,
) -> None:
    epoch = min(params.tune.pruner_epochs, params.train.epochs)
    kinds = {entry.key: entry.kind for entry in params.tune.space}
    ranked = sorted((row for row in rows if row.state == "complete"), key=lambda row: -(row.value or 0.0))
    table = reporting.outline.Table(
        "The complete trials, best first",
        ["trial", "validation accuracy", *kinds],
        [
            [f"{row.number}{' (own setting)' if row.is_baseline else ''}", f"{row.value or 0:.2%}"]
            + [_text(row.values.get(key)) for key in kinds]
            for row in ranked
        ],
    )
    page = reporting.templates.load_template("sweep.html").render(
        summary=summary,
        params=params,
        tried=words.what_was_tried(summary),
        won=words.what_won(summary, rows, num_validation),
        mattered=words.what_mattered(shares, rows, epoch=epoch, kinds=kinds),
        failures=words.failures(rows),
        table=table,
        best={key: _text(value) for key, value in summary.best_params.items()},
        images={name: png_data_uri(folder / f"{name}.png") for name in PICTURES},
        has_importances=bool(shares),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
