"""Register the model of a run; the gate decides whether it becomes champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ferflow import paths
from ferflow.errors import TrackingError
from ferflow.params import Params
from ferflow.reporting.outline import read_report
from ferflow.tracking.outbox.recording import is_on
from ferflow.tracking.outbox.scoring import send_reports
from ferflow.tracking.registry import registry
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import Registration
from ferflow.tracking.store import experiment_id, open_existing
from ferflow.tracking.tracked_run import TrackedRun, find_run, get_run, run_of_training

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ROOT = Path()


def register(params: Params, *, run: str | None = None, force: bool = False) -> Registration:
    """Register a run's model, once however often it is asked for.

    Args:
        params: Section `registry`: the rules of the gate.
        run: Id, first digits or name of the run; None: the run of `reports/`.
        force: Make it champion whatever the gate says; that is recorded.

    Raises:
        TrackingError: There is no store or no such run, or the store cannot be used.
        DataError: Reports or predictions are damaged.
    """
    rules = Rules(**params.registry.model_dump())
    store = open_existing(_ROOT)
    return registry.register(store, _run_of(store, run, params), rules, is_forced=force)


def in_words(registration: Registration) -> list[str]:
    """What became of it, for people."""
    state = "registered as" if registration.is_new else "is"
    champion = registration.champion
    return [
        f"run {registration.run.label} {state} version {registration.version}",
        registration.description,
        f"champion: version {champion}" if champion else "champion: none yet",
    ]


def _run_of(store: MlflowClient, wanted: str | None, params: Params) -> TrackedRun:
    """The run that the user names, or the one whose figures lie in `reports/`."""
    experiment = experiment_id(store)
    if wanted is not None:
        return find_run(store, experiment, wanted)
    if is_on() and paths.MODEL.is_file():
        return get_run(store, send_reports(_ROOT, params))
    path = paths.REPORTS / "train.json"
    report = read_report(path)
    if report is None:
        raise TrackingError(f"{path}: not found; run 'dvc repro' first, or name a run")
    found = run_of_training(store, experiment, str(report.get("run", "")))
    if found is None:
        raise TrackingError(
            f"{path}: no finished run of this training is in the store; run 'ferflow track sync' and "
            "'ferflow evaluate', or name a run"
        )
    return found
