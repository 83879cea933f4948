"""What a sweep shows while it runs: lines without a terminal, a table on one."""

from __future__ import annotations

import io

import pytest

from ferflow.tuning import display
from ferflow.tuning.space import Space
from ferflow.tuning.sweep import run
from tests.tuning.light_sweep import light_plan


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    plan = light_plan(tmp_path_factory.mktemp("swept"), trials=3, jobs=1, train="train", is_isolated=False)
    return plan, run(plan)[1]


def _display(plan, study):
    space = Space(plan.params, origin="params.yaml")
    return display.Display(study, space, epochs=plan.params.train.epochs, plan_trials=3)


def test_each_trial_that_ends_is_a_line(plan, capsys):
    run(plan(trials=4))
    lines = capsys.readouterr().err.splitlines()
    assert [" ".join(line.split()[:2]) for line in lines] == [f"trial {number}" for number in range(4)]
    assert lines[-1].endswith("4 of 4, best 0.8835")


def test_a_trial_that_fails_is_called_as_in_the_report(plan, capsys):
    space = [{"key": "model.dense_units", "kind": "choice", "choices": [0, 1]}]
    run(plan(trials=4, train="train_badly", tune={"space": space, "sampler": "random", "pruner": "none"}))
    failed = [line for line in capsys.readouterr().err.splitlines() if "the loss became nan" in line]
    assert failed, "another seed would draw one that fails"
    assert all(" failed (dense_units 1): train: " in line for line in failed)


def test_a_terminal_gets_a_table(swept, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with _display(*swept) as shown:
        shown.update()
    text = terminal.getvalue()
    for part in ("study light", "learning_rate", "best", "3 complete", "3 of 3", "epochs: 27 spent, 0 saved"):
        assert part in text, part


def test_trials_of_earlier_commands_are_not_said_again(swept, capsys):
    with _display(*swept) as shown:
        shown.update()
    assert capsys.readouterr().err == ""
