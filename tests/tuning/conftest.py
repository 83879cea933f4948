"""Plans of small sweeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ferflow.params import check_params
from ferflow.tuning.storage import parse_address
from ferflow.tuning.study import Budget
from ferflow.tuning.sweep import Plan
from tests.tuning import light_training


@pytest.fixture
def plan(sample_values, tmp_path) -> Callable[..., Plan]:
    """Makes the plan of a light sweep; `tune` changes that section, other arguments the plan."""

    def make(*, tune: dict | None = None, epochs: int = 9, **changes) -> Plan:
        sample_values["train"]["epochs"] = epochs
        sample_values["tune"] |= tune or {}
        content = {
            "params": check_params(sample_values, origin="params.yaml"),
            "origin": "params.yaml",
            "train": light_training.train,
            "identity": {"data": "a"},
            "address": parse_address(str(tmp_path / "studies.db")),
            "budget": Budget(12),
            "jobs": 1,
            "study": "light",
            "folder": tmp_path / "tuning",
            "is_isolated": False,
        }
        return Plan(**{**content, **changes})

    return make
