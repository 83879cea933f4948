"""A study: made once, filled with its first trials, handed out trial by trial, repaired after deaths."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.errors import TuningError
from ferflow.locks import Lock, is_held
from ferflow.params import Params
from ferflow.tuning import samplers
from ferflow.tuning import trials as attributes
from ferflow.tuning.space import SECTIONS, Space
from ferflow.tuning.storage import Store, quiet
from ferflow.tuning.trials import Tally, count

if TYPE_CHECKING:
    import optuna
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Budget:
    """When a study has enough trials.

    Attributes:
        trials: How many the study shall have, those of earlier commands among them.
        until: A validation accuracy that is good enough; None where none is.
    """

    trials: int
    until: float | None = None

    def is_reached(self, best: float | None) -> bool:
        """Whether the best validation accuracy so far is good enough."""
        return self.until is not None and best is not None and best >= self.until


def describe_setting(params: Params, identity: Mapping[str, str]) -> dict[str, Any]:
    """What all trials of a study have in common: seed, space, the fixed parameters, data and code.

    Args:
        params: The parameters; the values of the searched keys count for nothing.
        identity: Names such as `data` to a digest of what trials depend on besides the parameters.
    """
    fixed = params.model_dump(include={"seed", *SECTIONS})
    for entry in params.tune.space:
        section, *inner = entry.key.split(".")
        place = fixed[section]
        for part in inner[:-1]:
            place = place[part]
        place.pop(inner[-1], None)
    space = [entry.model_dump() for entry in params.tune.space]
    chosen = params.tune.model_dump(include={"sampler", "pruner", "pruner_epochs", "pruner_factor"})
    return {"fixed": fixed, "space": space, "tune": chosen, **identity}


def default_name(params: Params, setting: Mapping[str, Any]) -> str:
    """A name for a study: the profile, and a digest of what its trials have in common."""
    digest = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
    return f"{params.profile}-{digest[:8]}"


def open_study(store: Store, name: str, *, space: Space, params: Params, setting: Mapping[str, Any]) -> Study:
    """Make a study, or go on with it; the first trials are queued when it is made.

    These are the parameters' own setting, then the best of the newest other study with such keys.

    Args:
        store: Where it is kept.
        name: The name of the study.
        space: What is searched.
        params: Section `tune` says how, `train.epochs` how long.
        setting: What `describe_setting` gave.

    Raises:
        TuningError: The study was made with another setting.
    """
    with store.errors(), store.lock(name), quiet():
        study = _create(store, name, params)
        known = study.user_attrs.get("setting")
        if known is None:
            study.set_metric_names(["validation accuracy"])
            # Checkpoints of an earlier study of the same name are none of this one's.
            study.set_user_attr("token", secrets.token_hex(4))
            study.set_user_attr("setting", dict(setting))
            _queue(study, space, space.own_values(), baseline=True)
            if prior := _best_of_prior_study(store, name, space):
                study.set_user_attr("prior", {"study": prior[0], "trial": prior[1]})
                _queue(study, space, prior[2], baseline=False)
    if known is not None and (changed := _differences(known, json.loads(json.dumps(setting)))):
        raise TuningError(
            f"study {name} in {store.address.shown} was made with another setting: "
            f"{', '.join(changed)} differ; give another name by --study, or undo the change"
        )
    return study


def load_study(store: Store, name: str, params: Params) -> Study:
    """Open a study that another process made."""
    with store.errors(), quiet():
        return heavy.optuna.load_study(study_name=name, storage=store.storage, pruner=_pruner(params))


def claim(
    study: Study, store: Store, *, space: Space, params: Params, budget: Budget, worker: Worker
) -> Trial | None:
    """Take the next trial: one that waits, or a new one with values drawn by the sampler.

    What is drawn depends on the seed, the trial's number and the trials before alone, not on the worker.

    Returns:
        The trial, or None when the study has enough.
    """
    with store.lock(study.study_name), quiet():
        trials = repair_trials(study, worker.folder)
        waiting = [trial.number for trial in trials if trial.state.name == "WAITING"]
        begun = len(trials) - len(waiting) - len(attributes.superseded(trials))
        best = attributes.best_of(trials)
        if begun >= budget.trials or budget.is_reached(best.value if best else None):
            return None
        number = waiting[0] if waiting else len(trials)
        sampler = samplers.REGISTRY.get(params.tune.sampler)
        study.sampler = sampler.make(params.tune.options(sampler.options), _seed(params.seed, number))
        trial = study.ask(space.distributions())
        trial.set_user_attr("worker", worker.name)
        trial.set_user_attr("ended", attributes.DIED)
        store.beat(trial._trial_id)
    return trial


def repair_trials(study: Study, workers: Path) -> list[FrozenTrial]:
    """Fail the trials of dead workers and queue what goes on with them; the lock must be held.

    A worker of this machine is dead when its lock is free, one of another machine when its trial gave
    no sign of life for too long, and a trial without a worker belongs to one that died as it took it.

    Returns:
        All trials as they are then.
    """
    with quiet():
        heavy.optuna.storages.fail_stale_trials(study)
        trials = study.get_trials(deepcopy=False)
        gone = attributes.superseded(trials)
        dead = [trial for trial in trials if trial.state.name == "RUNNING" and _is_dead(trial, workers)]
        failed = [trial for trial in trials if trial.state.name == "FAIL"]
        waiting = [
            trial for trial in dead + failed if trial.number not in gone and attributes.needs_retry(trial)
        ]
        for trial in waiting:  # First, so that a death in between loses none.
            attributes.add_retry(study, trial)
        for trial in dead:
            study.tell(trial.number, state=heavy.optuna.trial.TrialState.FAIL)
        return study.get_trials(deepcopy=False) if dead or waiting else trials


class Worker:
    """A worker's sign of life on its machine: a lock that the kernel releases when it dies.

    Args:
        name: The name of the worker; no other one has it.
        folder: The folder of the workers' locks.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(folder / f"{name}.lock")
        self._lock.acquire()

    def leave(self) -> None:
        """Say that the worker has no trial and takes no more."""
        with contextlib.suppress(PermissionError):  # Windows: it goes when it is given back
            self._lock.path.unlink(missing_ok=True)
        self._lock.release()


def _is_dead(trial: FrozenTrial, workers: Path) -> bool:
    """Whether a running trial's worker is known to be dead; of other machines nothing is known here."""
    if "worker" not in trial.user_attrs:
        return True
    path = workers / f"{trial.user_attrs['worker']}.lock"
    return path.exists() and not is_held(path)


def tally(study: Study, *, epochs: int) -> Tally:
    """The trials of a study by state."""
    with quiet():
        return count(study.get_trials(deepcopy=False), epochs=epochs)


def best_trial(study: Study) -> FrozenTrial | None:
    """The complete trial of the highest value, the first of equals; None while there is none."""
    return attributes.best_of(study.get_trials(deepcopy=False))


def _create(store: Store, name: str, params: Params) -> Study:
    return heavy.optuna.create_study(
        storage=store.storage,
        study_name=name,
        direction="maximize",
        pruner=_pruner(params),
        load_if_exists=True,
    )


def _queue(study: Study, space: Space, values: Mapping[str, Any], *, baseline: bool) -> None:
    user_attrs = {"baseline": True} if baseline else {"from_prior": True}
    study.enqueue_trial(space.drawn_from(values), user_attrs=user_attrs, skip_if_exists=True)


def _best_of_prior_study(store: Store, name: str, space: Space) -> tuple[str, int, dict[str, Any]] | None:
    """Name, trial and values of the newest other study whose best trial has some of the keys."""
    summaries = heavy.optuna.get_all_study_summaries(store.storage)
    for summary in sorted(summaries, key=lambda found: str(found.datetime_start), reverse=True):
        if summary.study_name == name or summary.best_trial is None:
            continue
        found = heavy.optuna.load_study(study_name=summary.study_name, storage=store.storage)
        best = best_trial(found)
        if best is not None and set(best.params) & set(space.keys):
            return found.study_name, best.number, best.params
    return None


def _differences(known: Any, present: Any, name: str = "") -> list[str]:
    """Dotted names of what differs."""
    if known == present:
        return []
    if not isinstance(known, dict) or not isinstance(present, dict):
        return [name]
    return [
        found
        for key in sorted(known.keys() | present.keys())
        for found in _differences(known.get(key), present.get(key), f"{name}.{key}" if name else key)
    ]


def _seed(seed: int, number: int) -> int:
    """Another seed for each trial, so that a resumed sweep draws what an unbroken one draws."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _pruner(params: Params) -> optuna.pruners.BasePruner:
    tune = params.tune
    if tune.pruner == "successive_halving":
        return heavy.optuna.pruners.SuccessiveHalvingPruner(
            min_resource=tune.pruner_epochs, reduction_factor=tune.pruner_factor
        )
    if tune.pruner == "hyperband":
        return heavy.optuna.pruners.HyperbandPruner(
            min_resource=tune.pruner_epochs,
            max_resource=max(params.train.epochs, tune.pruner_epochs),
            reduction_factor=tune.pruner_factor,
        )
    if tune.pruner == "median":
        return heavy.optuna.pruners.MedianPruner(n_warmup_steps=tune.pruner_epochs - 1, n_startup_trials=2)
    return heavy.optuna.pruners.NopPruner()
