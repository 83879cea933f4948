"""Draws at random, whatever the trials before gave."""

from __future__ import annotations

from typing import Any

from ferflow import heavy
from ferflow.params.section import Section
from ferflow.tuning.samplers import Sampler


def make(options: Section, seed: int) -> Any:  # noqa: ARG001 (it has none)
    """Optuna's."""
    return heavy.optuna.samplers.RandomSampler(seed=seed)


ENTRY = Sampler(options=Section, make=make)
