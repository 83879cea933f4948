"""What a trial says of itself, and how a trial whose worker died goes on as another one.

| attribute of a trial | holds |
|---|---|
| `ended` | how it ended, in words; written first with what is true if its worker dies without a word |
| `worker` | the worker that runs it |
| `baseline` | set for the parameters' own setting, which is never pruned |
| `origin` | the number under which it was first tried: its checkpoints lie there |
| `retry_of` | the trial that it goes on with |
| `deaths` | how often it died in a row without a further epoch |
| `epochs_before` | epochs that were done before this attempt |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.tuning.storage import quiet

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

INTERRUPTED = "interrupted: "
DIED = f"{INTERRUPTED}its worker died, or its machine went down"
STOPPED = f"{INTERRUPTED}the sweep was stopped"

_MOST_DEATHS = 3


@dataclass(frozen=True)
class Tally:
    """The trials of a study by state, without those that went on as another one.

    Attributes:
        complete: Trained to their end.
        pruned: Stopped early.
        failed: Ended by an error, with its reason.
        running: Being trained.
        waiting: Not begun, or interrupted and to go on.
        retried: Interrupted, and gone on with as one of the others.
        epochs_spent: The epochs of all trials.
        epochs_saved: By pruning.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    retried: int = 0
    epochs_spent: int = 0
    epochs_saved: int = 0

    @property
    def ended(self) -> int:
        """How many are over."""
        return self.complete + self.pruned + self.failed

    def states(self) -> dict[str, int]:
        """State to number of trials."""
        return {name: number for name, number in asdict(self).items() if not name.startswith("epochs")}

    @property
    def shown(self) -> str:
        """The states that trials have, as a line."""
        return ", ".join(f"{number} {name}" for name, number in self.states().items() if number)


def superseded(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that went on as another one."""
    return {trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs}


def count(trials: list[FrozenTrial], *, epochs: int) -> Tally:
    """Count trials by state.

    Args:
        trials: All trials of a study.
        epochs: The epochs of a trial that is not pruned, where `train.epochs` is not searched.
    """
    gone = superseded(trials)
    numbers = dict.fromkeys(Tally.__dataclass_fields__, 0)
    for trial in trials:
        if trial.number in gone:
            numbers["retried"] += 1
            continue
        state = state_of(trial)
        numbers[state] += 1
        numbers["epochs_spent"] += trial.last_step or 0
        if state == "pruned":
            numbers["epochs_saved"] += planned(trial, epochs) - (trial.last_step or 0)
    return Tally(**numbers)


def state_of(trial: FrozenTrial) -> str:
    """The state of a trial: `complete`, `pruned`, `failed`, `running` or `waiting`."""
    return "failed" if trial.state.name == "FAIL" else trial.state.name.lower()


def best_of(trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial of the highest value, the first of equals; None while there is none."""
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def planned(trial: FrozenTrial, epochs: int) -> int:
    """How many epochs a trial takes if it is not pruned."""
    return int(trial.params.get("train.epochs", epochs))


def origin(trial: FrozenTrial | Trial) -> int:
    """The number under which a trial was first tried."""
    return int(trial.user_attrs.get("origin", trial.number))


def reason(trial: FrozenTrial) -> str:
    """How a trial ended, in words; empty for one that goes on."""
    return str(trial.user_attrs.get("ended", "")) if trial.state.is_finished() else ""


def needs_retry(trial: FrozenTrial) -> bool:
    """Whether a trial was interrupted and may go on: it has not died too often in one epoch."""
    return str(trial.user_attrs.get("ended", DIED)).startswith(INTERRUPTED) and _deaths(trial) < _MOST_DEATHS


def add_retry(study: Study, trial: FrozenTrial) -> None:
    """Queue a trial that goes on with an interrupted one: its values, its epochs, its checkpoints.

    Call it with the study's lock held.
    """
    attributes: dict[str, Any] = {
        key: value for key, value in trial.user_attrs.items() if key not in ("worker", "ended")
    }
    attributes |= {
        "origin": origin(trial),
        "retry_of": trial.number,
        "deaths": _deaths(trial),
        "epochs_before": len(trial.intermediate_values),
    }
    with quiet():
        study.add_trial(
            heavy.optuna.create_trial(
                state=heavy.optuna.trial.TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=attributes,
                system_attrs=trial.system_attrs,
                intermediate_values=trial.intermediate_values,
            )
        )


def _deaths(trial: FrozenTrial) -> int:
    """How often the trial died in a row without a further epoch, its own death among them."""
    if trial.user_attrs.get("ended") == STOPPED:
        return 0
    if len(trial.intermediate_values) > trial.user_attrs.get("epochs_before", 0):
        return 1
    return int(trial.user_attrs.get("deaths", 0)) + 1
