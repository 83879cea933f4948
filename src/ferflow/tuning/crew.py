"""The workers of a sweep on this machine: started, replaced when they die, and stopped."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import time
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import TYPE_CHECKING, Any

from ferflow.errors import TuningError
from ferflow.progress import say
from ferflow.tuning import worker
from ferflow.tuning.storage import Store
from ferflow.tuning.study import repair_trials

if TYPE_CHECKING:
    from optuna import Study

# Loaded once, before the workers are forked from one small process.
_WORKER_IMPORTS = [
    "ferflow.tuning.worker",
    "optuna.storages",
    "optuna.samplers",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
    "alembic.migration",
    "sqlite3",
]
_SECONDS_TO_STOP = 30
_MOST_DEATHS_IN_A_ROW = 5


class Crew:
    """The workers of a sweep on this machine; one that dies is replaced.

    Args:
        work: What each worker is to do.
        jobs: How many there are at the same time.
        store: The storage of the study.
        study: The study.
    """

    def __init__(self, work: worker.Work, jobs: int, *, store: Store, study: Study) -> None:
        self._work, self._jobs = work, jobs
        self._store, self._study = store, study
        self._processes: dict[str, Any] = {}
        self._deaths = 0

    def start(self) -> None:
        """Repair what an earlier command left, and start the workers."""
        self._mend()
        for _ in range(self._jobs):
            self._start_one()

    def is_working(self) -> bool:
        """Whether a worker is there."""
        return bool(self._processes)

    def wait(self, seconds: float) -> None:
        """Wait for a while, or until a worker ends; replace one that died.

        Raises:
            TuningError: The storage went away, or workers die again and again.
        """
        connection.wait([process.sentinel for process in self._processes.values()], timeout=seconds)
        for name, process in list(self._processes.items()):
            if process.is_alive():
                continue
            process.join()
            del self._processes[name]
            if process.exitcode == 0:
                self._deaths = 0
                continue
            self._replace(name, process.exitcode)

    def stop(self) -> None:
        """Have the workers interrupt their trials, which go on another time, and wait for them."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        for process in self._processes.values():
            process.join(max(0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        names = list(self._processes)
        self._processes.clear()
        if names:
            self._mend(*names)

    def _replace(self, name: str, exit_code: int) -> None:
        if exit_code == worker.EXIT_BAD_STORAGE:
            raise TuningError(
                f"storage {self._work.address.shown}: a worker could not use it (see above); bring it back "
                "and run the same command again: the study goes on"
            )
        self._deaths += 1
        reason = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        if self._deaths > _MOST_DEATHS_IN_A_ROW:
            raise TuningError(
                f"workers end again and again ({reason}); see above, free memory or lower --jobs, and run "
                "the same command again: the study goes on"
            )
        say(f"worker {name} ended by {reason}; its trial goes on with another one")
        self._mend(name)
        self._start_one()

    def _start_one(self) -> None:
        name = secrets.token_hex(6)
        # Not daemonic: it has a process for each trial.
        context = _process_context()
        process = context.Process(target=worker.main, args=(self._work, name), name=f"ferflow-worker-{name}")
        process.start()
        self._processes[name] = process

    def _mend(self, *dead: str) -> None:
        """Give the trials of dead workers back, then remove the locks of those that this crew lost."""
        with self._store.errors(), self._store.lock(self._study.study_name):
            repair_trials(self._study, self._work.workers)
        for name in dead:
            (self._work.workers / f"{name}.lock").unlink(missing_ok=True)


def _process_context() -> SpawnContext | ForkServerContext:
    """How workers start: forked from one small process, and anew on Windows, which cannot fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_WORKER_IMPORTS)
    return context
