"""The best values in a parameter file."""

from __future__ import annotations

import shutil

import pytest

from ferflow.errors import ParamsError, TuningError
from ferflow.params import load_params
from ferflow.profiles import change_values, write_profile
from ferflow.tuning.apply import apply_best
from ferflow.tuning.sweep import Summary
from ferflow.tuning.trials import Tally
from tests.conftest import REPOSITORY


def _summary(**changes) -> Summary:
    content = {
        "study": "sample-1",
        "storage": "studies.db",
        "tally": Tally(),
        "best_trial": 7,
        "best_value": 0.87654321,
        "best_params": {"train.learning_rate": 0.03172, "model.dense_units": 48},
        "ended_by": "trials",
        "seconds": 1.0,
    }
    return Summary(**{**content, **changes})


@pytest.mark.parametrize("name", ["sample", "cpu", "paper", "best", "compact"])
def test_only_the_values_and_their_origin_change(tmp_path, name):
    target = tmp_path / "params.yaml"
    write_profile(name, [], profiles=REPOSITORY / "profiles", target=target)
    before = target.read_text().splitlines()
    apply_best(_summary(), target)
    after = target.read_text().splitlines()
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert [line.split(":")[0].strip() for line in changed] == ["dense_units", "learning_rate", "applied"]
    assert "# 0: no hidden layer" in changed[0]
    params = load_params(target)
    assert (params.train.learning_rate, params.model.dense_units) == (0.03172, 48)
    assert params.tune.applied is not None
    assert params.tune.applied.model_dump() == {"study": "sample-1", "trial": 7, "value": 0.876543}


def test_applying_twice_changes_nothing(tmp_path):
    target = tmp_path / "params.yaml"
    shutil.copy(REPOSITORY / "params.yaml", target)
    apply_best(_summary(), target)
    once = target.read_bytes()
    apply_best(_summary(), target)
    assert target.read_bytes() == once


def test_lists_stay_in_one_line(tmp_path):
    target = tmp_path / "params.yaml"
    shutil.copy(REPOSITORY / "params.yaml", target)
    change_values(target, {"model.widths": [8, 16, 32]})
    assert "  widths: [8, 16, 32] " in target.read_text()


def test_a_study_without_a_complete_trial_applies_nothing(tmp_path):
    with pytest.raises(TuningError, match="no trial is complete"):
        apply_best(_summary(best_trial=None), tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"train.rate": 1}, r"unknown key 'train\.rate'"),
        ({"seed.rate": 1}, r"unknown key 'seed\.rate'"),
        ({"train.learning_rate": -1.0}, r"train\.learning_rate: -1\.0 found"),
    ],
)
def test_a_bad_change_leaves_the_file(tmp_path, values, expected):
    target = tmp_path / "params.yaml"
    shutil.copy(REPOSITORY / "params.yaml", target)
    with pytest.raises(ParamsError, match=expected):
        change_values(target, values)
    assert target.read_bytes() == (REPOSITORY / "params.yaml").read_bytes()
