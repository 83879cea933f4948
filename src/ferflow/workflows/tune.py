"""Search for better parameters: a study of trainings, its report, and its runs in the tracking store."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferflow import paths
from ferflow.data.subsets import load_subset
from ferflow.files import sha256_of
from ferflow.params import Params
from ferflow.progress import duration
from ferflow.stages.table import BEFORE_TRAINING
from ferflow.stages.train import code_digest
from ferflow.stages.trial import train_once
from ferflow.tracking import lineage
from ferflow.tracking.outbox.recording import is_on
from ferflow.tracking.outbox.sweep_runs import TAG_RETRY_OF, SweepRun, TrialRun, track_sweep
from ferflow.tuning import tracked, words
from ferflow.tuning.apply import apply_best
from ferflow.tuning.display import shown
from ferflow.tuning.report import FOLDER, write_report
from ferflow.tuning.results import Row
from ferflow.tuning.storage import DEFAULT, parse_address
from ferflow.tuning.study import Budget
from ferflow.tuning.sweep import Plan, Summary, run

# The page of a study.
PAGE = paths.REPORTS / FOLDER / "index.html"


@dataclass(frozen=True)
class TuneReport:
    """The state of a study.

    Attributes:
        summary: Trials, epochs and the best values.
        jobs: Trials at the same time.
        report: The page that was written; None where a signal ended the search.
        applied_to: The file that the best values were written into; None where none was.
    """

    summary: Summary
    jobs: int
    report: Path | None
    applied_to: Path | None

    @property
    def exit_code(self) -> int:
        """0, or that of a process that a signal ended."""
        return 128 + signal.Signals[self.summary.ended_by] if self.summary.is_stopped else 0

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        applied = None if self.applied_to is None else str(self.applied_to)
        return {**self.summary.to_json(), "applied_to": applied, "jobs": self.jobs}


def tune(
    params: Params,
    *,
    origin: Path | None = None,
    trials: int | None = None,
    until: float | None = None,
    timeout: float | None = None,
    jobs: int | None = None,
    study: str | None = None,
    storage: str | None = None,
    apply_to: Path | None = None,
) -> TuneReport:
    """Search for better parameters (section `tune`); the same call again goes on where it was.

    Args:
        params: The parameters; the first trial is their own setting.
        origin: The file that they are from; None where they are from none.
        trials: The trials of the study, earlier ones among them.
        until: The validation accuracy that ends it, 0-1.
        timeout: Seconds that this call may take.
        jobs: Trials at the same time.
        study: Name of the study.
        storage: `postgresql://...`, or the path of a `.db` or `.journal` file.
        apply_to: A parameter file or profile that the best values are written into.

    Raises:
        ParamsError: A parameter that is searched is unknown.
        DataError: The split is missing or damaged.
        TuningError: The storage cannot be used, or no trial is complete and values are to be written.
        OutputError: The report cannot be written.
    """
    name = "the parameters" if origin is None else str(origin)
    plan = Plan(
        params=params,
        origin=name,
        train=train_once,
        identity=_identity(),
        address=parse_address(storage or str(DEFAULT)),
        budget=Budget(trials or params.tune.trials, until),
        jobs=jobs or params.tune.jobs,
        timeout=timeout or params.tune.timeout,
        study=study,
    )
    summary, found = run(plan)
    if summary.is_stopped:
        return TuneReport(summary, plan.jobs, None, None)
    rows, shares = write_report(
        paths.REPORTS / FOLDER,
        summary,
        found,
        params=params,
        origin=name,
        num_validation=len(load_subset(paths.SPLIT / "val.npz").labels),
    )
    track(summary, str(found.user_attrs["token"]), rows, shares, params)
    if apply_to is not None:
        apply_best(summary, apply_to)
    return TuneReport(summary, plan.jobs, PAGE, apply_to)


def in_words(report: TuneReport) -> list[str]:
    """The state of a study, for people."""
    summary, tally = report.summary, report.summary.tally
    lines = [
        f"study      {summary.study} in {summary.storage}",
        f"trials     {tally.shown}; ended by {summary.ended_by} after {duration(summary.seconds)}",
        f"epochs     {tally.epochs_spent} spent, {tally.epochs_saved} saved by pruning",
    ]
    if summary.best_value is not None:
        lines.append(
            f"best       {summary.best_value:.4f} by trial {summary.best_trial}: {shown(summary.best_params)}"
        )
    if report.report is not None:
        lines.append(f"report     {report.report}")
    if report.applied_to is not None:
        lines.append(f"applied    to {report.applied_to}; 'dvc repro' trains and scores it")
    elif summary.is_own_setting:
        lines.append("           those are the parameter file's own values: nothing that was tried is better")
    elif summary.best_value is not None:
        lines.append("           'ferflow tune --apply' writes these values into the parameter file")
    if summary.is_stopped or summary.ended_by == "timeout":
        lines.append("           the same command goes on with this study")
    return lines


def track(summary: Summary, token: str, rows: list[Row], shares: dict[str, float], params: Params) -> None:
    """Bring the study to the tracking store, unless tracking is off."""
    if not is_on():
        return
    sweep = SweepRun(
        name=summary.study,
        token=token,
        description=f"{words.what_won(summary, rows, None)} {words.what_was_tried(summary)}",
        params=tracked.study_params(params),
        metrics=tracked.study_metrics(summary, shares),
        tags=lineage.tags(Path(), params, BEFORE_TRAINING),
        report=paths.REPORTS / FOLDER,
    )
    trials = [
        TrialRun(
            number=row.number,
            state=row.state,
            started=row.started or row.ended or 0,
            ended=row.ended or 0,
            params=tracked.trial_params(row),
            curve=row.curve,
            value=row.value,
            reason=row.reason,
            tags={} if row.retry_of is None else {TAG_RETRY_OF: str(row.retry_of)},
        )
        for row in tracked.over(rows)
    ]
    track_sweep(Path(), sweep, trials)


def _identity() -> dict[str, str]:
    """What trials depend on besides the parameters: the images and the code that trains.

    Raises:
        DataError: There is no split yet.
    """
    found = {}
    for name in ("train", "val"):
        path = paths.SPLIT / f"{name}.npz"
        load_subset(path)
        found[f"{name}.npz"] = sha256_of(path)
    return {"data": hashlib.sha256(json.dumps(found).encode()).hexdigest(), "code": code_digest()}
