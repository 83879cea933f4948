"""A study as runs: a parent with the study's pictures, and below it one child for each trial.

Both go through journals whose names follow from the study, so that telling a study twice makes no run
twice. A child needs the parent's id: while the store is away only the parent is written down here.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ferflow.progress import say
from ferflow.tracking import lineage, names
from ferflow.tracking.outbox.journal import (
    FAILED,
    KILLED,
    TRAINED,
    Journal,
    Record,
    Value,
    create_journal,
    journals_folder,
)
from ferflow.tracking.outbox.net import sheltered
from ferflow.tracking.outbox.record import State
from ferflow.tracking.outbox.sent import Budget
from ferflow.tracking.outbox.upload import send

TAG_STUDY = "optuna.study"
TAG_TRIAL = "optuna.trial"
TAG_STATE = "optuna.state"
TAG_ENDED = "optuna.ended"
TAG_RETRY_OF = "optuna.retry_of"
_TAG_PARENT = "mlflow.parentRunId"

_STATES: dict[str, State] = {"complete": TRAINED, "pruned": TRAINED, "failed": FAILED, "retried": KILLED}
_SECONDS = 300


@dataclass(frozen=True)
class SweepRun:
    """A study.

    Attributes:
        name: The name of the study.
        token: Tells it from another one of the same name.
        description: What it found, in words.
        params: What all its trials have in common, as text.
        metrics: Such as the best validation accuracy.
        tags: Where it comes from.
        report: Folder with its pictures and its page.
    """

    name: str
    token: str
    description: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    report: Path


@dataclass(frozen=True)
class TrialRun:
    """A trial that is over.

    Attributes:
        number: The number of the trial.
        state: `complete`, `pruned`, `failed` or `retried`.
        started: In milliseconds since 1970.
        ended: The same.
        params: Key to value as text.
        curve: Epoch to validation accuracy.
        value: The validation accuracy that counts; None without.
        reason: How it ended, in words.
        tags: Further ones.
    """

    number: int
    state: str
    started: int
    ended: int
    params: Mapping[str, str]
    curve: Mapping[int, float]
    value: float | None
    reason: str
    tags: Mapping[str, str] = field(default_factory=dict)


def track_sweep(root: Path, sweep: SweepRun, trials: Sequence[TrialRun]) -> None:
    """Bring a study and its trials to the store; what cannot be sent is one line.

    Args:
        root: The repository's folder.
        sweep: The study.
        trials: Those of its trials that are over.
    """

    def track() -> str:
        budget = Budget(_SECONDS)
        parent = send(root, _write_parent(root, sweep, trials), budget)
        for trial in trials:
            send(root, _write_child(root, sweep, trial, parent), budget)
        return parent

    parent = sheltered(
        track,
        seconds=_SECONDS,
        hint="the store is slow",
        tell=lambda reason: (
            f"the study is not tracked whole yet ({reason}); the same command sends the rest later"
        ),
    )
    if parent is not None:
        say(f"tracked as run sweep {sweep.name} ({parent[:8]}) with {len(trials)} trials below it")


def _write_parent(root: Path, sweep: SweepRun, trials: Sequence[TrialRun]) -> Journal:
    record = Record(
        f"sweep-{sweep.token}",
        f"sweep {sweep.name}",
        state=TRAINED,
        started=min((trial.started for trial in trials), default=0),
        ended=max((trial.ended for trial in trials), default=0),
        description=sweep.description,
        params=dict(sweep.params),
        tags={**sweep.tags, TAG_STUDY: sweep.name},
        metrics=dict(sweep.metrics),
        subsets=lineage.subsets(root, ("train", "val")),
    )
    journal = _open(root, record)
    shutil.rmtree(journal.files, ignore_errors=True)
    journal.keep(sweep.report, f"{names.REPORTS}/{sweep.report.name}")
    journal.write(record)
    return journal


def _write_child(root: Path, sweep: SweepRun, trial: TrialRun, parent: str) -> Journal:
    record = Record(
        f"sweep-{sweep.token}-{trial.number:05d}",
        f"{sweep.name} trial {trial.number}",
        state=_STATES[trial.state],
        started=trial.started,
        ended=trial.ended,
        description=trial.reason,
        params=dict(trial.params),
        tags={
            **trial.tags,
            TAG_STUDY: sweep.name,
            TAG_TRIAL: str(trial.number),
            TAG_STATE: trial.state,
            TAG_ENDED: trial.reason,
            _TAG_PARENT: parent,
        },
        metrics={} if trial.value is None else {names.BEST_VAL_ACCURACY: trial.value},
    )
    journal = _open(root, record)
    known = {value.step for value in journal.values()}
    last = max(trial.curve, default=1)
    for epoch, accuracy in sorted(trial.curve.items()):
        if epoch not in known:
            time = trial.started + (trial.ended - trial.started) * epoch // last
            journal.append(Value(time, epoch, {"val_accuracy": accuracy}))
    journal.write(record)
    return journal


def _open(root: Path, record: Record) -> Journal:
    """The journal of a record, made where it is missing."""
    folder = journals_folder(root) / record.key
    if not (folder / "run.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        create_journal(root, record).release()
    return Journal(folder)
