"""What a worker tells a study of its trials, and what each worker is given of the machine."""

from __future__ import annotations

import os

import pytest

from ferflow.tuning import sweep
from ferflow.tuning.space import Space
from ferflow.tuning.storage import Store
from ferflow.tuning.study import Budget, Worker, claim, open_study
from ferflow.tuning.worker import _Report
from tests.tuning.light_sweep import STUDY, light_plan


@pytest.fixture
def reports(tmp_path):
    """The reports of three trials of one study; the first is of the parameters' own setting."""
    plan = light_plan(tmp_path, tune={"pruner": "successive_halving"})
    store = Store(plan.address)
    space = Space(plan.params, origin="params.yaml")
    study = open_study(store, STUDY, space=space, params=plan.params, setting={"of": "a test"})
    worker = Worker("one", tmp_path / "workers")
    taken = [
        claim(study, store, space=space, params=plan.params, budget=Budget(3), worker=worker)
        for _ in range(3)
    ]
    assert claim(study, store, space=space, params=plan.params, budget=Budget(3), worker=worker) is None
    yield [_Report(study, store, trial) for trial in taken]
    worker.leave()


def test_a_worse_trial_is_pruned_but_never_the_own_setting(reports):
    own, good, bad = reports
    assert [good.epoch(epoch, 0.9) for epoch in (1, 2)] == [True, True]
    assert [bad.epoch(epoch, 0.2) for epoch in (1, 2)] == [True, False]
    assert [own.epoch(epoch, 0.1) for epoch in (1, 2, 3)] == [True, True, True]


def test_a_trial_that_got_to_its_last_epoch_is_not_pruned_there(reports):
    _, good, bad = reports
    bad.last_planned = 2
    assert [good.epoch(epoch, 0.9) for epoch in (1, 2)] == [True, True]
    assert [bad.epoch(epoch, 0.2) for epoch in (1, 2)] == [True, True]


def test_an_epoch_that_was_reported_is_not_reported_again(reports):
    _, good, _ = reports
    good.epoch(1, 0.5)
    assert good.epoch(1, 0.9)
    assert good.last == 1


def test_workers_share_the_cores_and_leave_what_the_user_set(monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert sweep.shares(3)["TF_NUM_INTRAOP_THREADS"] == "2"
    assert sweep.shares(16)["OMP_NUM_THREADS"] == "1"
    assert sweep.shares(3)["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.300"
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in sweep.shares(1)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in sweep.shares(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in sweep.shares(3)
