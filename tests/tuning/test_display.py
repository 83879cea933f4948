"""What a sweep shows while it runs: lines without a terminal, a table on one."""

from __future__ import annotations

import io
import re
import time

import optuna
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


def _display(plan, study, **changes):
    space = Space(plan.params, origin="params.yaml")
    content = {"epochs": plan.params.train.epochs, "plan_trials": 3, **changes}
    return display.Display(study, space, **content)


def test_each_trial_that_ends_is_a_line(plan, capsys):
    run(plan(trials=4))
    lines = capsys.readouterr().err.splitlines()
    assert lines.pop(0).startswith("trial 0 is the parameter file's own setting: learning_rate 0.05")
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


@pytest.mark.parametrize(
    ("plan_trials", "seconds", "wanted"),
    [
        (10**9, 1800, r"(30 min 0 s|29 min \d+ s)"),  # Years at any speed.
        (4, 10**9, r"\d+ s"),
        (4, None, r"\d+ s"),
        (10**9, None, r"\d+ h \d+ min"),
        (10**9, 0, "0 s"),
    ],
)
def test_the_time_left_is_that_of_the_trials_or_until_the_timeout_whichever_is_sooner(
    plan, capsys, plan_trials, seconds, wanted
):
    study = optuna.create_study()
    deadline = None if seconds is None else time.monotonic() + seconds
    shown = _display(plan(), study, plan_trials=plan_trials, deadline=deadline)
    study.add_trial(optuna.create_trial(value=0.5, user_attrs={"reason": "trained to its end"}))
    shown.update()
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f".* 1 of {plan_trials}, best 0.5000, {wanted} left", line), line


def test_a_timeout_is_what_a_sweep_says_is_left(plan, capsys):
    for seconds in (2, 8, 32):  # On busy cores a sweep can be over before its first trial.
        run(
            plan(
                study=f"of {seconds} s",
                trials=100_000,
                timeout=float(seconds),
                tune={"pruner": "none", "sampler": "random"},
            )
        )
        left = [int(found) for found in re.findall(r", (\d+) s left$", capsys.readouterr().err, re.MULTILINE)]
        if left:
            break
    assert max(left) <= seconds
