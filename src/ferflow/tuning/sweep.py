"""The sweep: makes the study, has workers try it, shows how it goes, and ends when it has enough."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow.machine import usable_cores
from ferflow.params import Params
from ferflow.tuning import worker
from ferflow.tuning.crew import Crew
from ferflow.tuning.display import Display
from ferflow.tuning.space import Space, Values
from ferflow.tuning.storage import Address, Store
from ferflow.tuning.study import (
    Budget,
    best_trial,
    default_name,
    describe_setting,
    open_study,
    tally,
)
from ferflow.tuning.trial_process import Train
from ferflow.tuning.trials import Tally

if TYPE_CHECKING:
    from optuna import Study

FOLDER = Path(".ferflow/tuning")

# Share of a GPU's memory that trials at the same time have together; their contexts take the rest.
_SHARED_MEMORY = 0.9

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    Attributes:
        params: The parameters; section `tune` says what is searched and how.
        origin: Name of their file.
        train: The training function; one that can be handed to another process.
        identity: Name to digest of what trials depend on besides the parameters.
        address: The address of the storage.
        budget: When the study has enough.
        jobs: Trials at the same time.
        timeout: Seconds; None for no limit.
        study: Name of the study; None for one that follows from the setting.
        folder: The folder of workers and trials.
        is_isolated: Whether each trial has a process of its own.
    """

    params: Params
    origin: str
    train: Train
    identity: Mapping[str, str]
    address: Address
    budget: Budget
    jobs: int
    timeout: float | None = None
    study: str | None = None
    folder: Path = FOLDER
    is_isolated: bool = True


@dataclass(frozen=True)
class Summary:
    """The state of a sweep when its command ends.

    Attributes:
        study: Its name.
        storage: Where it is kept, without a password.
        tally: Trials by state, epochs spent and saved.
        best_trial: Number of the best trial; None while none is complete.
        best_value: Its validation accuracy.
        best_params: Its values of the searched keys.
        ended_by: `trials`, `until`, `timeout`, or the name of a signal.
        seconds: That the command took.
        is_own_setting: Whether the best trial has the parameter file's own values: nothing else is better.
    """

    study: str
    storage: str
    tally: Tally
    best_trial: int | None
    best_value: float | None
    best_params: Values
    ended_by: str
    seconds: float
    is_own_setting: bool = False

    @property
    def is_stopped(self) -> bool:
        """Whether a signal ended the command."""
        return self.ended_by.startswith("SIG")

    def to_json(self) -> dict[str, Any]:
        """The line of `--json`."""
        return {
            "study": self.study,
            "storage": self.storage,
            "trials": self.tally.states(),
            "best_trial": self.best_trial,
            "best_value": self.best_value,
            "best_params": self.best_params,
            "epochs_spent": self.tally.epochs_spent,
            "epochs_saved": self.tally.epochs_saved,
            "ended_by": self.ended_by,
            "seconds": round(self.seconds, 1),
        }


def run(plan: Plan) -> tuple[Summary, Study]:
    """Run a sweep, or go on with it.

    Returns:
        Its state, and the study.

    Raises:
        ParamsError: The search space cannot be used; nothing was tried.
        TuningError: The storage cannot be used, or workers die again and again.
    """
    started = time.monotonic()
    space = Space(plan.params, origin=plan.origin)
    store = Store(plan.address)
    setting = describe_setting(plan.params, plan.identity)
    name = plan.study or default_name(plan.params, setting)
    study = open_study(store, name, space=space, params=plan.params, setting=setting)
    work = worker.Work(
        address=plan.address,
        study=name,
        token=str(study.user_attrs["token"]),
        params=plan.params,
        origin=plan.origin,
        folder=plan.folder.absolute(),
        train=plan.train,
        budget=plan.budget,
        is_isolated=plan.is_isolated,
        environment=shares(plan.jobs),
    )
    crew = Crew(work, plan.jobs, store=store, study=study)
    epochs = plan.params.train.epochs
    deadline = None if plan.timeout is None else started + plan.timeout
    with Display(study, space, epochs=epochs, plan_trials=plan.budget.trials, deadline=deadline) as display:
        ended_by = _watch(plan, crew, store, display, deadline)
    with store.errors():
        best = best_trial(study)
        counted = tally(study, epochs=epochs)
    values = space.values_of(best.params) if best else {}
    summary = Summary(
        study=name,
        storage=plan.address.shown,
        tally=counted,
        best_trial=best.number if best else None,
        best_value=best.value if best else None,
        best_params=values,
        ended_by=ended_by,
        seconds=time.monotonic() - started,
        is_own_setting=values == space.own_values(),
    )
    store.close()
    return summary, study


def shares(jobs: int) -> dict[str, str]:
    """Variables that give each of several workers its share of the cores and of a GPU's memory.

    What the user set wins.
    """
    threads = str(max(1, usable_cores() // jobs))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    wanted = dict.fromkeys(names, threads)
    if jobs > 1:  # Otherwise the first of them takes the whole GPU.
        wanted |= {
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            # A trial that wants more than its share fails alone, instead of taking the others' memory.
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{_SHARED_MEMORY / jobs:.3f}",
        }
    return {name: value for name, value in wanted.items() if name not in os.environ}


def _watch(plan: Plan, crew: Crew, store: Store, display: Display, deadline: float | None) -> str:
    """Wait until the workers are done or there is a reason to stop them; returns the reason."""
    with _signals() as heard:
        crew.start()
        try:
            while crew.is_working():
                crew.wait(_SECONDS_BETWEEN_LOOKS)
                with store.errors():
                    display.update()
                if heard:
                    return heard[0]
                if deadline is not None and time.monotonic() > deadline:
                    return "timeout"
                if plan.budget.is_reached(display.best_value):
                    return "until"
        finally:
            crew.stop()
            with store.errors():
                display.update()
    return "until" if plan.budget.is_reached(display.best_value) else "trials"


@contextmanager
def _signals() -> Iterator[list[str]]:
    """A list that gets the name of SIGTERM or SIGINT when it comes."""
    heard: list[str] = []
    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            former[number] = signal.signal(number, lambda got, _: heard.append(signal.Signals(got).name))
    try:
        yield heard
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
