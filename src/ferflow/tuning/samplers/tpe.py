"""Tree-structured Parzen estimator: learns from the trials before."""

from __future__ import annotations

from typing import Any

from ferflow import heavy
from ferflow.params.section import Section
from ferflow.tuning.samplers import Sampler

_STARTUP_TRIALS = 6  # Drawn at random before it begins to learn.


def make(options: Section, seed: int) -> Any:  # noqa: ARG001 (it has none)
    """Optuna's."""
    return heavy.optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP_TRIALS)


ENTRY = Sampler(options=Section, make=make)
