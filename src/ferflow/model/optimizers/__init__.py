"""Optimizers: a file each; `train.optimizer` names one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferflow.params.entries import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Optimizer(Entry):
    """What an optimizer says of itself.

    Attributes:
        build: Called with its options and the learning rate, a number or a Keras schedule; gives a Keras
            optimizer.
        num_slots: How many values it keeps for each weight.
    """

    build: Callable[[Any, Any], Any]
    num_slots: int


REGISTRY = Registry(__name__, Optimizer, key="train.optimizer")
