"""Distillation on a lent GPU: folds, teachers that have not seen an image, the schedule, the results."""

from __future__ import annotations

import json
import tarfile
import time

import numpy as np
import pytest

from benchmarks.cross_fitting import answers_of_teachers, folds_of, training_groups
from benchmarks.gpu_distill import Student, best_share, pack_results, parse_student
from benchmarks.gpu_training import DeadlineError, ScheduleByTime, means_of, rate_at, write_in_parts
from benchmarks.runs import profile_params
from ferflow.data.store import write_arrays


def test_folds_are_nearly_equal_and_keep_copies_together():
    draws = np.random.default_rng(0)
    groups = draws.integers(0, 700, 1000)
    folds = folds_of(groups, num_folds=5, seed=0)
    assert np.bincount(folds, minlength=5).min() > 190
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    assert (folds != folds_of(groups, num_folds=5, seed=1)).mean() > 0.5


def test_groups_are_those_of_the_training_images_in_their_order(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "file,label,subset,group\na,fear,test,9\nb,fear,train,4\nc,sad,val,5\nd,sad,train,2\n"
    )
    assert training_groups(manifest).tolist() == [4, 2]


def test_teachers_answer_by_the_mean_of_those_who_have_not_seen_an_image(tmp_path):
    first, second = np.eye(7, dtype=np.float32)[[1, 2]], np.eye(7, dtype=np.float32)[[3, 2]]
    write_arrays(tmp_path / "teachers/a/held.npz", {"rows": np.array([0, 2]), "probabilities": first})
    write_arrays(tmp_path / "teachers/b/held.npz", {"rows": np.array([0, 2]), "probabilities": second})
    answers = answers_of_teachers(tmp_path, np.array([1, 5, 2], np.uint8))
    np.testing.assert_allclose(answers[0], [0, 0.5, 0, 0.5, 0, 0, 0])
    np.testing.assert_allclose(answers[2], np.eye(7)[2])
    # Nobody answered for this one: its label, softened.
    assert answers[1].argmax() == 5
    assert answers[1][5] == pytest.approx(0.9 + 0.1 / 7)


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("wide:0.5", Student("wide", 0.5)),
        ("compact:best:1:60", Student("compact", None, seed=1, epochs=60)),
    ],
)
def test_a_student_is_read_from_its_short_form(text, student):
    assert parse_student(text) == student


def _student(work, name, share, accuracy):
    folder = work / "students" / name
    folder.mkdir(parents=True)
    views = {"flip": {"val": 0.1}, "whole_and_ten_crop": {"val": accuracy}}
    (folder / "train.json").write_text(json.dumps({"teacher_share": share, "views": views}))
    (folder / "weights.f16").write_bytes(name.encode())


def test_the_share_is_the_one_that_validation_prefers_over_all_kinds(tmp_path):
    assert best_share(tmp_path) == 0.5
    _student(tmp_path, "wide-050-0", 0.5, 0.74)
    _student(tmp_path, "compact-050-0", 0.5, 0.70)
    _student(tmp_path, "wide-080-0", 0.8, 0.73)
    assert best_share(tmp_path) == 0.8


def test_results_are_packed_with_the_weights_of_the_best_of_each_kind(tmp_path, monkeypatch):
    output = tmp_path / "out"
    monkeypatch.setenv("OUT", str(output))
    _student(tmp_path, "wide-050-0", 0.5, 0.72)
    pack_results(tmp_path)
    _student(tmp_path, "wide-080-0", 0.8, 0.73)
    _student(tmp_path, "compact-080-0", 0.8, 0.71)
    pack_results(tmp_path)
    assert sorted(path.name for path in output.iterdir()) == [
        "compact-080-0.f16",
        "networks.tar",
        "wide-080-0.f16",
    ]
    with tarfile.open(output / "networks.tar") as packed:
        assert "wide-050-0.train.json" in packed.getnames()


def test_bytes_over_the_limit_are_written_in_parts(tmp_path):
    content = bytes(range(256)) * 70_000
    write_in_parts(tmp_path / "weights.f16", content)
    parts = sorted(tmp_path.iterdir())
    assert [path.name for path in parts] == ["weights.f16.0", "weights.f16.1"]
    assert b"".join(path.read_bytes() for path in parts) == content


def test_the_rate_ends_at_zero_by_epochs_or_by_time(monkeypatch):
    params = profile_params("best", ["train.epochs=10", "train.learning_rate=0.2"])
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    schedule = ScheduleByTime("a run", params, until=1300.0)
    now = 1200.0  # The first epoch was mostly compiling: it is no part of the schedule.
    schedule.on_epoch({"epoch": 1})
    assert schedule.share(1) == pytest.approx(0.1)
    now = 1250.0  # Slow: half of the time after it is used up by two epochs.
    assert schedule.share(2) == pytest.approx(0.5)
    assert schedule.rate(5) == pytest.approx(0.1)
    now = 1300.0
    with pytest.raises(DeadlineError):
        schedule.on_epoch({"epoch": 3})
    assert rate_at(1.0, 9, 0.2) == pytest.approx(0)
    assert rate_at(0.0, 0, 0.2) == pytest.approx(0.2 / 8)


def test_what_compiles_for_all_runs_loses_no_more_than_the_others(monkeypatch):
    params = profile_params("best", ["train.epochs=100"])
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    schedule = ScheduleByTime("the first of five", params, until=1300.0, runs=5, scoring_seconds=6.0)
    now = 1060.0  # A fifth of the whole would be over.
    schedule.on_epoch({"epoch": 1})
    now = 1081.0
    assert schedule.share(2) == pytest.approx(0.5)


def test_means_of_views_are_those_of_their_kinds():
    views = np.random.default_rng(0).random((12, 3, 7))
    means = means_of(views)
    np.testing.assert_allclose(means["flip"], (views[0] + views[1]) / 2)
    np.testing.assert_allclose(means["whole_and_ten_crop"] * 12, means["flip"] * 2 + means["ten_crop"] * 10)
