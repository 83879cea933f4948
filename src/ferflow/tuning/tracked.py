"""A study as plain texts and figures, for a tracking store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ferflow.params import Params
from ferflow.tuning.results import Row
from ferflow.tuning.sweep import Summary

_OVER = ("complete", "pruned", "failed", "retried")


def study_params(params: Params) -> dict[str, str]:
    """What all trials of a study have in common, and what is searched, by dotted name."""
    found = {f"tune.space.{entry.key}": entry.model_dump_json(exclude={"key"}) for entry in params.tune.space}
    for name in ("sampler", "pruner", "pruner_epochs", "pruner_factor"):
        found[f"tune.{name}"] = str(getattr(params.tune, name))
    return {**found, "seed": str(params.seed), "train.epochs": str(params.train.epochs)}


def study_metrics(summary: Summary, importances: Mapping[str, float]) -> dict[str, float]:
    """Trials by state, epochs, the best validation accuracy, and how much each key mattered."""
    found = {f"trials_{state}": float(number) for state, number in summary.tally.states().items()}
    found |= {
        "epochs_spent": float(summary.tally.epochs_spent),
        "epochs_saved": float(summary.tally.epochs_saved),
    }
    if summary.best_value is not None and summary.best_trial is not None:
        found |= {"best_val_accuracy": summary.best_value, "best_trial": float(summary.best_trial)}
    return found | {f"importance.{key}": share for key, share in importances.items()}


def trial_params(row: Row) -> dict[str, str]:
    """A trial's values as text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.values.items()}


def over(rows: Sequence[Row]) -> list[Row]:
    """The trials that are over."""
    return [row for row in rows if row.state in _OVER and row.ended is not None]
