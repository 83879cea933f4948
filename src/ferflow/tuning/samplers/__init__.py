"""Samplers of a sweep: a file each; `tune.sampler` names one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferflow.params.entries import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Sampler(Entry):
    """What a sampler says of itself.

    Attributes:
        make: Called with its options and a seed; gives a sampler of Optuna.
    """

    make: Callable[[Any, int], Any]


REGISTRY = Registry(__name__, Sampler, key="tune.sampler")
