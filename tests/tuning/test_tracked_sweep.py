"""A study in MLflow: a parent with the pictures, a child for each trial, however often it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ferflow.tracking import store
from ferflow.tracking.outbox.sweep_runs import SweepRun, TrialRun, track_sweep
from ferflow.tuning.results import rows_of
from ferflow.tuning.space import Space
from ferflow.tuning.sweep import Plan, run
from ferflow.workflows import tune
from tests.tracking.conftest import embedded, migrated_database
from tests.tuning.light_sweep import LightSweep, light_plan

__all__ = ["embedded", "migrated_database"]


@pytest.fixture
def sweep(tmp_path) -> SweepRun:
    report = tmp_path / "sweep"
    report.mkdir()
    (report / "history.png").write_bytes(b"a picture")
    (report / "index.html").write_text("<p>what mattered</p>")
    return SweepRun(
        name="sample-1",
        token="abcd",  # noqa: S106
        description="Trial 1 is the best.",
        params={"tune.sampler": "tpe"},
        metrics={"best_val_accuracy": 0.75},
        tags={"profile": "sample"},
        report=report,
    )


def _trial(number: int, state: str = "complete", **changes) -> TrialRun:
    content = {
        "number": number,
        "state": state,
        "started": 1_000_000 + 1000 * number,
        "ended": 1_000_900 + 1000 * number,
        "params": {"train.learning_rate": str(0.01 * (number + 1))},
        "curve": {1: 0.25, 2: 0.5 + 0.01 * number},
        "value": 0.5 + 0.01 * number,
        "reason": f"reason {number}",
    }
    return TrialRun(**{**content, **changes})


def _runs(root):
    client = store.client(root)
    found = client.search_runs([store.experiment_id(client)], order_by=["attributes.start_time ASC"])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return client, parents, children


def test_a_study_told_in_parts_is_one_parent_with_a_child_for_each_trial(embedded, sweep):
    trials = [_trial(0), _trial(1, "failed", value=None, curve={1: 0.1}), _trial(2, "pruned")]
    track_sweep(embedded, sweep, trials)
    goes_on = replace(trials[1], state="retried")
    more = replace(sweep, metrics={"best_val_accuracy": 0.875})
    for _ in range(2):
        track_sweep(embedded, more, [trials[0], goes_on, trials[2], _trial(3)])
    client, (parent,), children = _runs(embedded)
    assert [run.data.tags["optuna.trial"] for run in children] == ["0", "1", "2", "3"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert [run.info.status for run in children] == ["FINISHED", "KILLED", "FINISHED", "FINISHED"]
    assert [run.data.tags["optuna.state"] for run in children] == [
        "complete",
        "retried",
        "pruned",
        "complete",
    ]
    assert parent.info.run_name == "sweep sample-1"
    assert parent.data.metrics["best_val_accuracy"] == 0.875
    assert children[2].data.params == {"train.learning_rate": "0.03"}
    assert children[1].data.tags["optuna.ended"] == "reason 1"
    history = client.get_metric_history(children[0].info.run_id, "val_accuracy")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.25), (2, 0.5)]
    names = {entry.path for entry in client.list_artifacts(parent.info.run_id, "reports/sweep")}
    assert names == {"reports/sweep/history.png", "reports/sweep/index.html"}


def test_a_store_that_is_away_costs_one_line_and_gets_the_study_later(embedded, sweep, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    track_sweep(embedded, sweep, [_trial(0)])
    assert "the study is not tracked whole yet" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    track_sweep(embedded, sweep, [_trial(0)])
    _, parents, children = _runs(embedded)
    assert (len(parents), len(children)) == (1, 1)


def _tuned(plan: Plan):
    """What `ferflow tune` does after its trials: the study goes to MLflow. Returns the study."""
    summary, study = run(plan)
    rows = rows_of(study, Space(plan.params, origin=plan.origin), epochs=plan.params.train.epochs)
    tune.track(summary, str(study.user_attrs["token"]), rows, {}, plan.params)
    return study


@pytest.mark.slow
def test_after_kills_mlflow_has_each_trial_of_optuna_once_and_without_a_gap(embedded, tmp_path, monkeypatch):
    sweep = LightSweep(tmp_path, is_held=True, trials=3)
    sweep.kill_workers(sweep.wait_until_held()[0])
    sweep.wait_until_held()
    sweep.kill()
    monkeypatch.chdir(embedded)
    Path("reports/sweep").mkdir(parents=True)
    for trials in (3, 5):  # The same command goes on, and later with a larger budget.
        study = _tuned(light_plan(tmp_path, trials=trials))
    numbers = [trial.number for trial in study.get_trials()]
    # Three trials were interrupted, five are whole.
    assert numbers == list(range(8))
    client, (parent,), children = _runs(embedded)
    assert sorted(int(run.data.tags["optuna.trial"]) for run in children) == numbers
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    for child in children:
        trial = study.get_trials()[int(child.data.tags["optuna.trial"])]
        assert child.info.status == {"COMPLETE": "FINISHED", "FAIL": "KILLED"}[trial.state.name]
        assert child.data.tags.get("optuna.retry_of") == _text(trial.user_attrs.get("retry_of"))
        assert child.data.metrics.get("best_val_accuracy") == trial.value
        history = client.get_metric_history(child.info.run_id, "val_accuracy")
        assert {entry.step: entry.value for entry in history} == trial.intermediate_values


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
