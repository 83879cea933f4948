"""Sweeps of light trials through the whole code but the network: budget, order, resume, errors."""

from __future__ import annotations

import pytest

from ferflow.errors import TuningError
from ferflow.tuning.study import Budget
from ferflow.tuning.sweep import run


def _trials(study) -> list[tuple]:
    return [
        (trial.number, trial.state.name, trial.params, trial.value, trial.intermediate_values)
        for trial in study.get_trials()
    ]


def test_a_sweep_beats_the_own_setting_and_begins_with_it(plan):
    summary, study = run(plan())
    first = study.trials[0]
    assert first.params == {
        "train.learning_rate": 0.05,
        "model.dropout_features": 0.1,
        "model.dropout_head": 0.0,
        "model.dense_units": 0,
    }
    assert first.state.name == "COMPLETE"
    assert summary.best_value >= first.value
    assert summary.tally.complete + summary.tally.pruned == len(study.trials) == 12
    assert summary.tally.pruned > 0
    assert summary.tally.epochs_spent + summary.tally.epochs_saved == 12 * 9
    assert summary.ended_by == "trials"
    assert {trial.user_attrs["ended"].split()[0] for trial in study.trials} == {"trained", "pruned"}


def test_one_worker_and_seed_give_the_same_trials_twice(plan):
    first, one = run(plan())
    again, two = run(plan(storage="other.db"))
    assert _trials(one) == _trials(two)
    assert (first.best_trial, first.best_params) == (again.best_trial, again.best_params)


def test_a_longer_sweep_goes_on_where_the_shorter_one_ended(plan):
    run(plan(trials=5))
    _, resumed = run(plan())
    _, whole = run(plan(storage="other.db"))
    assert _trials(resumed) == _trials(whole)


def test_a_sweep_that_has_enough_runs_nothing(plan):
    first, _ = run(plan())
    again, study = run(plan())
    assert len(study.trials) == 12
    assert (again.best_trial, again.tally) == (first.best_trial, first.tally)


@pytest.mark.parametrize(
    ("until", "best", "is_reached"),
    [(None, 0.9, False), (0.7, None, False), (0.7, 0.69, False), (0.7, 0.7, True), (0.0, 0.1, True)],
)
def test_a_budget_is_reached_at_its_accuracy(until, best, is_reached):
    assert Budget(1, until).is_reached(best) == is_reached


def test_until_ends_a_sweep(plan):
    summary, study = run(plan(budget=Budget(100, until=0.7)))
    assert summary.ended_by == "until"
    assert summary.best_value >= 0.7
    assert len(study.trials) < 100


def test_a_new_study_begins_with_the_best_of_the_one_before(plan):
    first, _ = run(plan())
    rate = {"key": "train.learning_rate", "kind": "float", "low": 0.01, "high": 0.2, "log": True}
    _, study = run(plan(tune={"space": [rate], "pruner": "successive_halving"}, study="second", trials=3))
    assert study.trials[0].params == {"train.learning_rate": 0.05}
    assert study.user_attrs["prior"] == {"study": "light", "trial": first.best_trial}
    inherited = study.trials[1].params["train.learning_rate"]
    assert inherited == pytest.approx(first.best_params["train.learning_rate"], rel=1e-3)


def test_another_setting_under_the_same_name_is_refused(plan):
    run(plan(trials=1))
    with pytest.raises(TuningError, match=r"made with another setting: data, fixed\.train\.epochs differ"):
        run(plan(epochs=4, identity={"data": "b"}))


def test_without_a_name_another_setting_is_another_study(plan):
    names = {run(plan(study=None, epochs=epochs, trials=1))[0].study for epochs in (2, 3, 3)}
    assert len(names) == 2
    assert all(name.startswith("sample-") for name in names)
