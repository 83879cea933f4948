"""A worker: takes one trial after the other until the study has enough, or it is told to stop."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.errors import FerflowError, TuningError
from ferflow.params import Params
from ferflow.progress import say
from ferflow.tuning import trials as attributes
from ferflow.tuning.space import Space
from ferflow.tuning.storage import Address, Store, quiet
from ferflow.tuning.study import Budget, Worker, claim, load_study
from ferflow.tuning.trial_process import (
    CHECKPOINTS,
    Interrupted,
    Pruned,
    Task,
    Train,
    run_here,
    run_in_process,
)

if TYPE_CHECKING:
    from optuna import Study, Trial

EXIT_BAD_STORAGE = 4


@dataclass(frozen=True)
class Work:
    """What a worker needs to know; it is handed to a process.

    Attributes:
        address: The address of the storage.
        study: Name of the study.
        token: Tells it from an earlier study of the same name.
        params: The parameters.
        origin: Name of their file.
        folder: The folder of workers and trials on this machine.
        train: The training function.
        budget: When the study has enough.
        is_isolated: Whether each trial has a process of its own.
        environment: Variables that share the cores out.
    """

    address: Address
    study: str
    token: str
    params: Params
    origin: str
    folder: Path
    train: Train
    budget: Budget
    is_isolated: bool
    environment: dict[str, str]

    @property
    def workers(self) -> Path:
        """The folder of the workers' locks."""
        return self.folder / "workers"

    def trial_folder(self, number: int) -> Path:
        """The folder of a trial's checkpoints and log."""
        return self.folder / "trials" / f"{self.study}-{self.token}" / f"{number:04d}"


class _Lost(Exception):  # noqa: N818
    """Others took the trial for dead and go on with it."""


def main(work: Work, name: str) -> None:
    """Main of a worker's process."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The sweep hears it and tells its workers.
    os.environ.update(work.environment)
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    try:
        run(work, name, stop)
    except TuningError as error:
        say(f"worker {name}: {error}")
        sys.exit(EXIT_BAD_STORAGE)


def run(work: Work, name: str, stop: threading.Event) -> None:
    """Run trials until the study has enough or `stop` is set.

    Raises:
        TuningError: The storage cannot be used.
    """
    store = Store(work.address)
    study = load_study(store, work.study, work.params)
    space = Space(work.params, origin=work.origin)
    worker = Worker(name, work.workers)
    while not stop.is_set():
        with store.errors():
            trial = claim(study, store, space=space, params=work.params, budget=work.budget, worker=worker)
        if trial is None:
            break
        try:
            with _heartbeat(store, trial._trial_id):
                _run_trial(work, study, store, trial, space.values_of(trial.params), space, stop)
        except _Lost:
            say(f"trial {trial.number}: others took it for dead and go on with it")
    worker.leave()


def _run_trial(
    work: Work,
    study: Study,
    store: Store,
    trial: Trial,
    values: dict[str, Any],
    space: Space,
    stop: threading.Event,
) -> None:
    """Run a trial and tell the study how it ended."""
    report = _Report(study, store, trial)
    folder = work.trial_folder(attributes.origin(trial))
    try:
        task = Task(space.params_with(values), folder, work.train)
        report.last_planned = task.params.train.epochs
        value = (
            run_in_process(task, report.epoch, stop.is_set)
            if work.is_isolated
            else run_here(task, report.epoch)
        )
        if not math.isfinite(value):
            raise FerflowError(f"the validation accuracy is {value}; take high rates out of tune.space")
    except Pruned:
        report.end("PRUNED", f"pruned after epoch {report.last}: others were better by then")
    except Interrupted as error:
        report.interrupt(attributes.STOPPED if stop.is_set() else f"{attributes.INTERRUPTED}{error}")
        return
    except TuningError:
        raise
    except FerflowError as error:
        report.end("FAIL", str(error))
    else:
        report.end("COMPLETE", f"trained to its end, epoch {report.last}", value)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


class _Report:
    """Tells the study of a trial's epochs and of its end."""

    def __init__(self, study: Study, store: Store, trial: Trial) -> None:
        self._study, self._store, self._trial = study, store, trial
        with store.errors():
            known = store.storage.get_trial(trial._trial_id)
        # After it there is nothing left to prune.
        self.last_planned = math.inf
        self._reported = set(known.intermediate_values)
        self._is_baseline = bool(known.user_attrs.get("baseline"))

    @property
    def last(self) -> int:
        """The last epoch; 0 before the first one."""
        return max(self._reported, default=0)

    def epoch(self, epoch: int, accuracy: float) -> bool:
        """Report an epoch; answers whether the trial goes on. The parameters' own setting always does."""
        if epoch in self._reported:  # An attempt without checkpoints repeats what an earlier one did.
            return True
        with self._told():
            self._trial.report(accuracy, epoch)
            self._reported.add(epoch)
            return self._is_baseline or epoch >= self.last_planned or not self._trial.should_prune()

    def end(self, state: str, text: str, value: float | None = None) -> None:
        """Tell that the trial is over."""
        with self._told():
            self._trial.set_user_attr("ended", text)
            self._study.tell(self._trial, value, state=heavy.optuna.trial.TrialState[state])

    def interrupt(self, text: str) -> None:
        """Tell that the trial was interrupted, and queue what goes on with it."""
        with self._told(), self._store.lock(self._study.study_name):
            self._trial.set_user_attr("ended", text)
            known = self._store.storage.get_trial(self._trial._trial_id)
            if attributes.needs_retry(known):
                attributes.add_retry(self._study, known)

            self._study.tell(self._trial, state=heavy.optuna.trial.TrialState.FAIL)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._store.errors(), quiet():
                yield
        except heavy.optuna.exceptions.UpdateFinishedTrialError:
            raise _Lost from None


@contextmanager
def _heartbeat(store: Store, trial_id: int) -> Iterator[None]:
    """Record again and again that a trial is alive; while the storage is away, others cannot tell."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(store.heartbeat_seconds):
            try:
                with store.errors():
                    store.beat(trial_id)
            except TuningError:
                time.sleep(1)

    thread = threading.Thread(target=beat, daemon=True)
    if store.has_heartbeats:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()


def _stop_with_parent(stop: threading.Event) -> None:
    """Stop when the sweep is gone: the next one starts workers of its own."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        stop.set()
