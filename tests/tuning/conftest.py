"""Plans of small sweeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from ferflow.tuning.sweep import Plan
from tests.tuning.light_sweep import light_plan


@pytest.fixture
def plan(tmp_path) -> Callable[..., Plan]:
    """Makes the plan of a sweep of one worker whose trials take no time and no process."""
    return partial(
        light_plan,
        tmp_path,
        trials=12,
        jobs=1,
        train="train",
        is_isolated=False,
        tune={"pruner": "successive_halving"},
    )
