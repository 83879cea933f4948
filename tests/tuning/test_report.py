"""The report of a sweep: table, pictures, page, and what it says in words."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import pytest

from ferflow.data.store import read_csv
from ferflow.tuning import words
from ferflow.tuning.report import PICTURES, write_report
from ferflow.tuning.results import importances, rows_of
from ferflow.tuning.space import Space
from ferflow.tuning.sweep import run
from ferflow.tuning.trials import Tally
from tests.accessibility import faults_of
from tests.tuning.light_sweep import light_plan

_TRIALS = 24


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished light sweep and its report: (plan, summary, study, folder)."""
    folder = tmp_path_factory.mktemp("swept")
    plan = light_plan(
        folder,
        trials=_TRIALS,
        jobs=1,
        train="train",
        is_isolated=False,
        tune={"pruner": "successive_halving"},
    )
    summary, study = run(plan)
    target = folder / "reports" / "sweep"
    write_report(target, summary, study, params=plan.params, origin="params.yaml", num_validation=158)
    return plan, summary, study, target


def test_trials_are_a_table(swept):
    _, summary, study, folder = swept
    columns = read_csv(folder / "trials.csv", ("trial", "state", "value", "epochs", "ended"))
    assert list(map(int, columns["trial"])) == list(range(_TRIALS))
    assert list(columns["state"]).count("pruned") == summary.tally.pruned
    best = study.trials[summary.best_trial]
    assert float(columns["value"][best.number]) == pytest.approx(best.value, abs=1e-6)
    assert sum(map(int, columns["epochs"])) == summary.tally.epochs_spent


def test_pictures_are_drawn_and_stand_in_the_page(swept):
    folder = swept[3]
    page = (folder / "index.html").read_text()
    for name in PICTURES:
        assert cv2.imread(str(folder / f"{name}.png")).std() > 5, name
    assert page.count("data:image/png;base64,") == len(PICTURES)
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_says_what_won_and_what_mattered(swept):
    _, summary, _, folder = swept
    page = (folder / "index.html").read_text()
    assert f"Trial {summary.best_trial} is the best" in page
    assert "train.learning_rate mattered much" in page
    assert "model.dropout_features mattered little" in page
    assert json.loads((folder / "summary.json").read_text())["best_value"] == summary.best_value


def test_importances_count_pruned_trials_and_sum_to_one(swept):
    plan, _, study, _ = swept
    found = importances(study, epoch=2, seed=1)
    assert next(iter(found)) == "train.learning_rate"
    assert sum(found.values()) == pytest.approx(1)
    assert found == importances(study, epoch=2, seed=1)
    assert importances(study, epoch=plan.params.train.epochs + 1, seed=1) == {}


def test_a_report_takes_the_place_of_the_former_one_as_a_whole(swept):
    plan, summary, study, folder = swept
    (folder / "left.txt").write_text("of another study")
    write_report(folder, summary, study, params=plan.params, origin="params.yaml")
    assert not (folder / "left.txt").exists()


def _rows(swept):
    plan, _, study, _ = swept
    return rows_of(study, Space(plan.params, origin="params.yaml"), epochs=plan.params.train.epochs)


def test_words_say_that_a_small_difference_may_be_chance(swept):
    summary, rows = swept[1], _rows(swept)
    closer = replace(summary, best_value=rows[0].value + 0.001)
    assert "may be no difference at all" in words.what_won(closer, rows, 158)
    assert "may be no difference" not in words.what_won(closer, rows, 10**8)
    assert "nothing that was tried is better" in words.what_won(replace(summary, best_trial=0), rows, 158)
    assert "no best one" in words.what_won(replace(summary, best_value=None), rows, 158)


def test_words_count_trials_and_epochs(swept):
    tally = Tally(complete=3, pruned=5, failed=1, retried=2, epochs_spent=60, epochs_saved=40)
    text = words.what_was_tried(replace(swept[1], tally=tally, seconds=61))
    assert "Of 9 trials 3 trained to their end, 5 were pruned, 1 failed, 2 interrupted attempts" in text
    assert "60 epochs; pruning saved 40 (40% of all). The last command took 1 min 1 s." in text


def test_words_hint_at_few_trials_and_name_failures(swept):
    rows = _rows(swept)
    kinds = {"train.learning_rate": "float", "model.dense_units": "choice"}
    few = words.what_mattered(dict.fromkeys(kinds, 0.5), rows[:9], epoch=2, kinds=kinds)
    assert "take this as a hint" in few[0]
    assert few[1].startswith("train.learning_rate mattered much (50% of the differences): the best 3")
    assert "x)" in few[2]
    assert words.what_mattered({}, rows, epoch=2, kinds=kinds)[0].startswith("Too few trials")
    failed = replace(rows[3], state="failed", reason="the loss became nan")
    assert words.failures([*rows, failed]) == {"the loss became nan": [3]}


def test_a_study_without_a_complete_trial_has_a_report(tmp_path):
    changes = {"jobs": 1, "train": "train_badly", "is_isolated": False}
    space = {"space": [{"key": "model.dense_units", "kind": "choice", "choices": [0, 1]}]}
    plan = light_plan(tmp_path, trials=1, tune=space, **changes)
    summary, study = run(plan)
    write_report(
        tmp_path / "sweep",
        replace(summary, best_value=None, best_trial=None, best_params={}),
        study,
        params=plan.params,
        origin="params.yaml",
    )
    assert "No trial is complete yet" in (tmp_path / "sweep" / "index.html").read_text()


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_the_page(swept):
    assert faults_of((swept[3] / "index.html").as_uri()) == []
