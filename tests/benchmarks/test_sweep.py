"""What the benchmark of the sweep makes of three sweeps' trials."""

from __future__ import annotations

import pytest

from benchmarks.sweep import best_by_epochs, compare, plot, read_trials, table

_TRIALS = [
    {"state": "complete", "value": 0.5, "epochs": 10, "planned": 10},
    {"state": "pruned", "value": 0.9, "epochs": 2, "planned": 10},
    {"state": "failed", "value": None, "epochs": 1, "planned": 10},
    {"state": "complete", "value": 0.7, "epochs": 10, "planned": 10},
]


def test_the_best_of_complete_trials_counts():
    assert best_by_epochs(_TRIALS) == [(10, 0.5), (12, 0.5), (13, 0.5), (23, 0.7)]


def test_ways_are_compared_after_the_same_number_of_epochs(tmp_path):
    slow = [{"state": "complete", "value": 0.6, "epochs": 10, "planned": 10}]
    result = compare({"pruning": _TRIALS, "no pruning": slow, "random search": slow})
    assert result["epochs"] == 10
    pruning = result["ways"]["pruning"]
    assert (pruning["best"], pruning["pruned"], pruning["complete"]) == (0.5, 1, 2)
    assert pruning["saved_share"] == pytest.approx(8 / 31)
    assert table(result).splitlines()[2] == "| pruning | 4 | 2 | 1 | 26% | 50.00% |"
    plot(result, tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").stat().st_size > 5000


def test_trials_that_are_not_over_are_left_out(tmp_path):
    path = tmp_path / "trials.csv"
    lines = ["state,value,epochs,planned_epochs", "complete,0.5,9,9", "retried,,3,9", "waiting,,3,9"]
    path.write_text("\n".join([*lines, "pruned,0.25,2,9", ""]))
    assert [trial["state"] for trial in read_trials(path)] == ["complete", "pruned"]
