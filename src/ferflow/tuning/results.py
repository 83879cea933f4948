"""The trials of a study as plain rows, for tables, pictures and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.tuning import trials as attributes
from ferflow.tuning.space import Space

if TYPE_CHECKING:
    from optuna import Study

_FEWEST_DIFFERENT_SCORES = 4


@dataclass(frozen=True)
class Row:
    """A trial.

    Attributes:
        number: The number of the trial.
        state: `complete`, `pruned`, `failed`, `running`, `waiting`, or `retried` for one that went on as
            another one.
        value: Validation accuracy: the best epoch's, or the last one's of a pruned trial; None without.
        curve: Epoch to validation accuracy.
        planned: Epochs that it takes if it is not pruned.
        values: Key to value; empty for a trial that has not begun.
        started: In milliseconds since 1970; None before its begin.
        ended: The same; None while it has not ended.
        reason: How it ended, in words.
        is_baseline: Whether it is the parameters' own setting.
        retry_of: The trial that it goes on with; None for most.
    """

    number: int
    state: str
    value: float | None
    curve: Mapping[int, float]
    planned: int
    values: Mapping[str, Any]
    started: int | None
    ended: int | None
    reason: str
    is_baseline: bool
    retry_of: int | None

    @property
    def seconds(self) -> float | None:
        """From its begin to its end; None while it has not ended."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started) / 1000

    @property
    def epochs(self) -> int:
        """The last epoch that was done."""
        return max(self.curve, default=0)


def rows_of(study: Study, space: Space, *, epochs: int) -> list[Row]:
    """The trials of a study, by number.

    Args:
        study: The study.
        space: What was searched.
        epochs: The epochs of a trial that is not pruned, where `train.epochs` is not searched.
    """
    trials = study.get_trials(deepcopy=False)
    gone = attributes.superseded(trials)
    found = []
    for trial in trials:
        found.append(
            Row(
                number=trial.number,
                state="retried" if trial.number in gone else attributes.state_of(trial),
                value=trial.value,
                curve=dict(sorted(trial.intermediate_values.items())),
                planned=attributes.planned(trial, epochs),
                values=space.values_of(trial.params),
                started=_milliseconds(trial.datetime_start),
                ended=_milliseconds(trial.datetime_complete),
                reason=attributes.reason(trial),
                is_baseline=bool(trial.user_attrs.get("baseline")),
                retry_of=trial.user_attrs.get("retry_of"),
            )
        )
    return found


def importances(study: Study, *, epoch: int, seed: int) -> dict[str, float]:
    """The share of the differences between trials that each key explains, by a random forest (fANOVA).

    Trials are compared after the same epoch, the first at which any was pruned: so all of them count, not
    only those that pruning spared.

    Args:
        study: The study.
        epoch: At which trials are compared.
        seed: The seed of the forest.

    Returns:
        Key to share, largest first; empty where there are too few trials or all scored the same.
    """
    gone = attributes.superseded(study.get_trials(deepcopy=False))
    compared = heavy.optuna.create_study(direction="maximize")
    for trial in study.get_trials(deepcopy=False):
        if trial.number not in gone and epoch in trial.intermediate_values and trial.distributions:
            compared.add_trial(
                heavy.optuna.create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    value=trial.intermediate_values[epoch],
                )
            )
    scores = {trial.value for trial in compared.get_trials(deepcopy=False)}
    if len(scores) < _FEWEST_DIFFERENT_SCORES:
        return {}
    found = heavy.optuna.importance.get_param_importances(
        compared, evaluator=heavy.optuna.importance.FanovaImportanceEvaluator(seed=seed)
    )
    return {key: float(share) for key, share in found.items()}


def _milliseconds(moment: datetime | None) -> int | None:
    """A moment as Optuna keeps it, in local time without a zone, since 1970."""
    return None if moment is None else round(moment.timestamp() * 1000)
