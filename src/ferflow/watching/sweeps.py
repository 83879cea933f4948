"""A sweep while it runs, read from the storage of its study."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from ferflow.errors import TuningError
from ferflow.tuning.storage import Store, parse_address
from ferflow.tuning.trials import best_of, count, state_of
from ferflow.watching.state import Chart, Line, Watched

_TRIALS_SHOWN = 8


def watch_sweep(storage: Path, name: str | None = None) -> Watched | None:
    """A study as it is now: the best trials and those that run; None where the file has no study.

    Args:
        storage: The file of the studies.
        name: The name of the study; None: the one that was begun last.

    Raises:
        TuningError: The storage cannot be read, or there is no such study.
    """
    if not storage.is_file():
        return None
    store = Store(parse_address(str(storage)))
    with store.errors():
        begun = _begun(store, storage, name)
        if begun is None:
            return None
        trials = optuna.load_study(study_name=begun, storage=store.storage).get_trials(deepcopy=False)
    longest = max((trial.last_step or 0 for trial in trials), default=0)
    tally, best = count(trials, epochs=longest), best_of(trials)
    store.close()
    facts = [tally.shown or "no trial yet"]
    if best is not None and best.value is not None:
        facts.append(f"best {best.value:.1%} by trial {best.number}")
    facts.append(f"epochs: {tally.epochs_spent} spent")
    charts = (Chart("validation accuracy", _curves(trials), max(longest, 1), is_share=True),)
    return Watched(f"study {begun}", tuple(facts), charts, tally.running > 0)


def _begun(store: Store, storage: Path, name: str | None) -> str | None:
    """The study of this name, or the one that was begun last; None where there is none."""
    studies = optuna.get_all_study_summaries(store.storage)
    if name is None and not studies:
        return None
    fitting = [study for study in studies if name in (None, study.study_name)]
    if not fitting:
        known = ", ".join(study.study_name for study in studies) or "none"
        raise TuningError(f"{storage}: has no study {name!r}, only {known}; name one of them")
    newest = max(fitting, key=lambda study: study.datetime_start.timestamp() if study.datetime_start else 0.0)
    return newest.study_name


def _curves(trials: list[FrozenTrial]) -> tuple[Line, ...]:
    """Those that run, then the best."""
    scored = sorted(
        (trial for trial in trials if trial.intermediate_values),
        key=lambda trial: (state_of(trial) != "running", -max(trial.intermediate_values.values())),
    )
    return tuple(
        Line(f"trial {trial.number} {state_of(trial)}", tuple(sorted(trial.intermediate_values.items())))
        for trial in scored[:_TRIALS_SHOWN]
    )
