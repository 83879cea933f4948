"""Deaths: a worker's, all workers', the whole session's, a trial's; no trial is lost, none is doubled."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from ferflow.tuning import trials as attributes
from ferflow.tuning.space import Space
from ferflow.tuning.storage import Store, parse_address, quiet
from ferflow.tuning.study import Budget, Worker, claim, load_study, open_study, repair_trials
from ferflow.tuning.sweep import run
from tests.tuning import light_training
from tests.tuning.light_sweep import STUDY, LightSweep, light_plan

_TRIALS = 4


def _study(folder: Path, storage: str = "studies.db"):
    address = parse_address(storage if "://" in storage else str(folder / storage))
    return load_study(Store(address), STUDY, light_plan(folder).params)


def check_whole(study, *, trials: int = _TRIALS) -> None:
    """Every trial is over with a reason, none is lost or doubled, numbers have no gap."""
    found = study.get_trials()
    assert [trial.number for trial in found] == list(range(len(found)))
    assert all(trial.state.is_finished() and attributes.reason(trial) for trial in found)
    retries = [trial.user_attrs["retry_of"] for trial in found if "retry_of" in trial.user_attrs]
    assert len(retries) == len(set(retries))
    kept = [trial for trial in found if trial.number not in retries]
    assert len(kept) == trials
    assert {trial.state.name for trial in kept} == {"COMPLETE"}
    assert len({attributes.origin(trial) for trial in kept}) == trials


def check_gone_on(folder: Path, study) -> None:
    """An interrupted trial went on from an epoch that it had reached, and says which one it goes on with."""
    retried = [trial for trial in study.get_trials() if "retry_of" in trial.user_attrs]
    assert retried
    begun = [
        int(line)
        for path in folder.glob("tuning/trials/*/*/attempts.txt")
        for line in path.read_text().splitlines()
    ]
    assert max(begun) > 0
    interrupted = {trial.user_attrs["retry_of"] for trial in retried}
    for trial in study.get_trials():
        if trial.number in interrupted:
            assert trial.state.name == "FAIL"
            assert attributes.reason(trial).startswith("interrupted: ")


@pytest.mark.slow
def test_killed_workers_are_replaced_and_their_trials_go_on(tmp_path):
    sweep = LightSweep(tmp_path, is_held=True)
    sweep.kill_workers(sweep.wait_until_held()[0])
    sweep.kill_workers(*sweep.wait_until_held())
    sweep.wait_until_held()
    sweep.release()
    code, summary, said = sweep.end()
    assert code == 0, said
    assert "ended by SIGKILL; its trial goes on" in said
    assert summary["trials"]["retried"] == 3
    study = _study(tmp_path)
    check_whole(study)
    check_gone_on(tmp_path, study)
    assert attributes.DIED in {attributes.reason(trial) for trial in study.get_trials()}


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["studies.db", "studies.journal"])
def test_a_killed_command_and_a_killed_session_go_on_by_the_same_command(tmp_path, storage):
    sweep = LightSweep(tmp_path, is_held=True, storage=storage)
    sweep.wait_until_held()
    sweep.send(signal.SIGKILL)  # The command alone: its workers notice.
    sweep.end()
    sweep = LightSweep(tmp_path, is_held=True, storage=storage)
    sweep.wait_until_held()
    sweep.kill()
    code, summary, said = LightSweep(tmp_path, storage=storage).end()
    assert code == 0, said
    assert summary["trials"] | {"complete": 0, "pruned": 0, "retried": 0} == dict.fromkeys(
        summary["trials"], 0
    )
    assert summary["trials"]["retried"] == 4
    study = _study(tmp_path, storage)
    check_whole(study)
    check_gone_on(tmp_path, study)


@pytest.mark.slow
def test_sigterm_ends_cleanly_and_the_trials_go_on_another_time(tmp_path):
    sweep = LightSweep(tmp_path, is_held=True)
    sweep.wait_until_held()
    sweep.send(signal.SIGTERM)
    code, summary, said = sweep.end()
    assert (code, summary["ended_by"]) == (143, "SIGTERM"), said
    assert summary["trials"]["running"] == summary["trials"]["failed"] == 0
    assert summary["trials"]["waiting"] == 2
    assert sweep.workers() == []
    _check_stopped_by_themselves(_study(tmp_path))
    sweep.release()
    code, _, said = LightSweep(tmp_path).end()
    assert code == 0, said
    study = _study(tmp_path)
    check_whole(study)
    check_gone_on(tmp_path, study)


def test_a_timeout_stops_the_trials_which_go_on_another_time(tmp_path):
    (tmp_path / light_training.HOLD).touch()  # They would not end before it.
    summary, study = run(light_plan(tmp_path, timeout=2.0, trials=3, is_isolated=True))
    assert summary.ended_by == "timeout"
    assert summary.tally.running == 0
    assert summary.tally.waiting >= 1
    _check_stopped_by_themselves(study)


def _check_stopped_by_themselves(study) -> None:
    """The workers interrupted their trials; none of them was killed because it took too long."""
    interrupted = [trial for trial in study.get_trials() if trial.state.name == "FAIL"]
    assert {attributes.reason(trial) for trial in interrupted} <= {attributes.STOPPED}


_UNITS = {"space": [{"key": "model.dense_units", "kind": "choice", "choices": [0, 1, 2, 3, 4, 5]}]}


@pytest.mark.slow
def test_a_trial_that_fails_says_why_and_the_sweep_goes_on(tmp_path):
    changes = {**_UNITS, "sampler": "random", "pruner": "none"}
    summary, study = run(light_plan(tmp_path, train="train_badly", trials=16, tune=changes))
    reasons: dict[int, set[str]] = {}
    gone = attributes.superseded(study.trials)
    for trial in study.trials:
        if trial.number not in gone:
            reasons.setdefault(trial.params["model.dense_units"], set()).add(attributes.reason(trial))
    assert set(reasons) == set(range(6)), "another seed would try every way to fail"
    assert reasons[0] == {"trained to its end, epoch 1"}
    assert reasons[1] == {"train: the loss became nan in epoch 2"}
    assert reasons[2] == {"memory is exhausted; lower train.batch_size or model.image_size"}
    assert all(text.startswith("ValueError: a library's error (see ") for text in reasons[3])
    assert reasons[4] == {"interrupted: its process was ended by SIGKILL: out of memory, or by hand"}
    assert reasons[5] == {"the validation accuracy is nan; take high rates out of tune.space"}
    assert summary.tally.ended == 16
    assert summary.best_params == {"model.dense_units": 0}
    killed = [trial for trial in study.trials if trial.params["model.dense_units"] == 4]
    assert len(killed) == 3 * len({attributes.origin(trial) for trial in killed})


@pytest.fixture
def claimed(tmp_path):
    """A study with a trial that a worker of another machine took: (store, study, trial, plan)."""
    plan = light_plan(tmp_path)
    store = Store(plan.address)
    space = Space(plan.params, origin="params.yaml")
    study = open_study(store, STUDY, space=space, params=plan.params, setting={})
    worker = Worker("far", tmp_path / "elsewhere")
    trial = claim(study, store, space=space, params=plan.params, budget=Budget(2), worker=worker)
    yield store, study, trial, plan
    worker.leave()


def test_a_trial_of_another_machine_without_a_sign_of_life_is_retried_once(claimed, tmp_path):
    store, study, trial, plan = claimed
    here = tmp_path / "here"
    trial.report(0.5, 1)
    repair_trials(study, here)
    assert study.trials[0].state.name == "RUNNING"
    store.beat(trial._trial_id)
    time.sleep(2.5)
    hasty = load_study(Store(plan.address, heartbeat_seconds=1, grace_seconds=1), STUDY, plan.params)
    for _ in range(2):
        repair_trials(hasty, here)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert attributes.reason(study.trials[0]) == attributes.DIED
    retry = study.trials[1]
    assert (retry.params, retry.intermediate_values) == (trial.params, {1: 0.5})
    assert retry.user_attrs == {
        "baseline": True,
        "origin": 0,
        "retry_of": 0,
        "deaths": 1,
        "epochs_before": 1,
    }


def test_a_trial_whose_worker_died_as_it_took_it_is_retried(claimed, tmp_path):
    _, study, _, _ = claimed
    with quiet():
        study.ask()
    repair_trials(study, tmp_path / "here")
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "WAITING"]


def test_a_retry_that_was_queued_before_its_trial_failed_is_not_doubled(claimed, tmp_path):
    """The worker that mends dies between its two steps."""
    _, study, _, _ = claimed
    with quiet():
        study.ask()
    attributes.add_retry(study, study.trials[1])
    repair_trials(study, tmp_path / "here")
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "WAITING"]


def test_a_worker_whose_trial_was_taken_for_dead_goes_on_with_the_next(tmp_path):
    sweep = LightSweep(tmp_path, is_held=True, jobs=1, trials=2)
    sweep.wait_until_held()
    study = _study(tmp_path)
    study.tell(0, state=_state("FAIL"))
    sweep.release()
    code, _, said = sweep.end()
    assert code == 0, said
    assert "trial 0: others took it for dead" in said
    check_whole(study, trials=2)


def _state(name: str):
    from optuna.trial import TrialState

    return TrialState[name]
