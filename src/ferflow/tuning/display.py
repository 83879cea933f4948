"""How a sweep goes: a live table on a terminal, a line for each trial that ends elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ferflow import heavy
from ferflow.progress import duration, say
from ferflow.tuning import trials as attributes
from ferflow.tuning.space import Space, Values
from ferflow.tuning.trials import Tally, count

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_ROWS = 12


class Display:
    """Reads the study again and again, and shows what changed, on stderr.

    Args:
        study: The study.
        space: What is searched.
        epochs: The epochs of a trial that is not pruned.
        plan_trials: How many trials the study shall have.
        deadline: When the command stops, on `time.monotonic`; None for no limit.
    """

    def __init__(
        self, study: Study, space: Space, *, epochs: int, plan_trials: int, deadline: float | None = None
    ) -> None:
        self._study, self._space = study, space
        self._epochs, self._trials, self._deadline = epochs, plan_trials, deadline
        self._live: Any = None
        self._started = time.monotonic()
        trials = study.get_trials(deepcopy=False)
        # What earlier commands did says nothing of this one's speed.
        self._ended_before = count(trials, epochs=epochs).ended
        self._said = {trial.number for trial in trials if trial.state.is_finished()}
        self.best_value: float | None = None

    def __enter__(self) -> Self:
        """Begin; a new study with what it starts from."""
        if not self._said:
            say(f"trial 0 is the parameter file's own setting: {shown(self._space.own_values())}")
        if sys.stderr.isatty():
            self._live = heavy.rich.live.Live(
                console=heavy.rich.console.Console(stderr=True), auto_refresh=False
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last table standing."""
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def update(self) -> None:
        """Show the state of the study now."""
        trials = self._study.get_trials(deepcopy=False)
        tally = count(trials, epochs=self._epochs)
        best = attributes.best_of(trials)
        self.best_value = None if best is None else best.value
        if self._live is not None:
            self._live.update(self._table(trials, best, tally), refresh=True)
            return
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._said:
                self._said.add(trial.number)
                say(f"{self._line(trial)}; {self._standing(tally)}")

    def _standing(self, tally: Tally) -> str:
        best = "" if self.best_value is None else f", best {self.best_value:.4f}"
        left = self._seconds_left(tally)
        remaining = "" if left is None else f", {duration(left)} left"
        return f"{tally.ended} of {self._trials}{best}{remaining}"

    def _seconds_left(self, tally: Tally) -> float | None:
        """Until the trials are done at this command's speed, or until its deadline where that is sooner."""
        done = tally.ended - self._ended_before
        missing = max(0, self._trials - tally.ended)
        if missing == 0:
            return None
        now = time.monotonic()
        limits = [(now - self._started) / done * missing] if done else []
        if self._deadline is not None:
            limits.append(max(0.0, self._deadline - now))
        return min(limits, default=None)

    def _line(self, trial: FrozenTrial) -> str:
        values = shown(self._space.values_of(trial.params))
        score = "" if trial.value is None else f" {trial.value:.4f}"
        detail = f": {attributes.reason(trial)}" if trial.state.name != "COMPLETE" else ""
        return f"trial {trial.number} {attributes.state_of(trial)}{score} ({values}){detail}"

    def _table(self, trials: list[FrozenTrial], best: FrozenTrial | None, tally: Tally) -> Any:
        table = heavy.rich.table.Table(
            title=f"study {self._study.study_name}", title_justify="left", box=heavy.rich.box.SIMPLE_HEAD
        )
        keys = self._space.keys
        for column in ("trial", "state", "epoch", "accuracy", *(key.rsplit(".", 1)[-1] for key in keys)):
            table.add_column(column, justify="left" if column == "state" else "right", overflow="fold")
        for trial in _of_interest(trials, best):
            last, values = trial.last_step, self._space.values_of(trial.params)
            score = "" if last is None else f"{trial.value or trial.intermediate_values[last]:.4f}"
            table.add_row(
                str(trial.number),
                "best" if trial is best else attributes.state_of(trial),
                f"{last or 0}/{attributes.planned(trial, self._epochs)}",
                score,
                *(str(values.get(key, "")) for key in keys),
                style="bold green" if trial is best else None,
            )
        spent = f"epochs: {tally.epochs_spent} spent, {tally.epochs_saved} saved by pruning"
        return heavy.rich.console.Group(
            table, heavy.rich.text.Text(f"{tally.shown}\n{self._standing(tally)}\n{spent}")
        )


def shown(values: Values) -> str:
    """Values as one short line: the last part of each key, and its value."""
    return ", ".join(f"{key.rsplit('.', 1)[-1]} {value}" for key, value in values.items())


def _of_interest(trials: list[FrozenTrial], best: FrozenTrial | None) -> list[FrozenTrial]:
    """The best trial, those that run, and the last that ended, by number."""
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    ended = [trial for trial in trials if trial.state.is_finished() and trial is not best]
    chosen = ([best] if best else []) + running + ended[::-1]
    return sorted(chosen[:_ROWS], key=lambda trial: trial.number)
