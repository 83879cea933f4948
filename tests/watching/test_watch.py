"""`ferflow watch`: what runs, read from journals and studies, in a terminal and on a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.tracking.outbox.journal import Record, Value, create_journal, new_key
from ferflow.tuning.storage import DEFAULT
from ferflow.tuning.sweep import run
from ferflow.watching.page import write_watch_page
from ferflow.watching.state import Chart, Line, Watched, watch_trainings
from ferflow.watching.sweeps import watch_sweep
from ferflow.watching.terminal import STYLES, canvas, shown
from tests.accessibility import faults_of
from tests.serving.browser import opened
from tests.tuning.light_sweep import light_plan


def _training(root: Path, name: str, accuracies: list[float], *, state: str = "running", started: int = 1000):
    epochs = 20
    record = Record(new_key(), name, state=state, started=started, params={"train.epochs": str(epochs)})
    journal = create_journal(root, record)
    journal.append(Value(1500, 1, {"system/memory": 3.0}))  # A sample of the machine is no epoch.
    for epoch, accuracy in enumerate(accuracies, start=1):
        values = {"accuracy": accuracy / 2, "val_accuracy": accuracy, "loss": 2.0 - accuracy, "val_loss": 2.0}
        journal.append(Value(1000 + 10_000 * epoch, epoch, values))
    return journal


def _text(watched: list[Watched], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(shown(watched, width=width))
    return console.file.getvalue()


def test_what_runs_is_shown_with_its_curves_and_not_what_ended(tmp_path):
    _training(tmp_path, "ended", [0.9], state="evaluated").release()
    _training(tmp_path, "first", [0.2, 0.5, 0.4])
    _training(tmp_path, "second", [], started=2000)
    first, second = watch_trainings(tmp_path)
    assert (first.title, first.is_running, second.title) == ("first", True, "second")
    assert first.facts[:2] == ("running: epoch 3 of 20", "best validation accuracy 50.0%, epoch 2")
    assert first.facts[2].endswith("10.0 s an epoch")
    assert second.facts == ("running: no epoch is done yet",)
    accuracy, loss = first.charts
    assert (accuracy.title, accuracy.epochs, accuracy.is_share, loss.is_share) == (
        "accuracy",
        20,
        True,
        False,
    )
    assert accuracy.lines[0] == Line("validation", ((1, 0.2), (2, 0.5), (3, 0.4)))


@pytest.mark.parametrize(
    ("state", "said"), [("evaluated", "evaluated: epoch 1"), ("running", "killed: epoch 1")]
)
def test_where_nothing_runs_the_newest_is_shown_as_it_ended(tmp_path, state, said):
    _training(tmp_path, "older", [0.1], state="trained").release()
    _training(tmp_path, "newest", [0.9], state=state, started=2000).release()
    (only,) = watch_trainings(tmp_path)
    assert (only.title, only.is_running) == ("newest", False)
    assert only.facts[0].startswith(said)


def test_a_line_goes_from_its_first_to_its_last_dot():
    lines = (Line("rising", ((1, 0.0), (5, 1.0))), Line("level", ((1, 0.5), (5, 0.5))))
    rows = canvas(Chart("accuracy", lines, 5, is_share=True), columns=10, height=5, low=0.0, high=1.0)
    signs = ["".join(sign for sign, _ in row) for row in rows]
    assert signs[0][:8].isspace()
    # The upper right dot of the last sign, the lower left one of the first.
    assert (ord(signs[0][-1]) - 0x2800) & 0x08
    assert (ord(signs[4][0]) - 0x2800) & 0x40
    assert signs[4][2:].isspace()
    assert all(style == STYLES[1] for sign, style in rows[2] if sign != " ")
    assert all(sign != " " for sign in signs[2])


def test_the_terminal_has_names_last_values_and_the_axis(tmp_path):
    _training(tmp_path, "run", [0.2, 0.5])
    text = _text(watch_trainings(tmp_path))
    for part in (
        "run\n",
        "validation 50.0%",
        "training 25.0%",
        "50.0% \N{BOX DRAWINGS LIGHT VERTICAL}",
        "epoch 1",
    ):
        assert part in text, part
    assert max(map(len, text.splitlines())) <= 80


def test_a_page_asks_again_only_while_something_runs(tmp_path):
    _training(tmp_path, "<run>", [0.2, 0.5])
    page = tmp_path / "watch.html"
    write_watch_page(page, watch_trainings(tmp_path), seconds=5)
    text = page.read_text(encoding="utf-8")
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert "&lt;run&gt;" in text
    assert text.count("<polyline") == 4
    assert not re.search(r'(?:src|href)="', text)
    ended = [Watched("run", ("evaluated",), (), is_running=False)]
    write_watch_page(page, ended, seconds=5)
    assert "refresh" not in page.read_text(encoding="utf-8")


def test_a_sweep_is_shown_by_its_trials(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert watch_sweep(tmp_path / "nothing.db") is None
    plan = light_plan(tmp_path, trials=3, jobs=1, train="train", is_isolated=False)
    run(plan)
    assert plan.address.path is not None
    found = watch_sweep(plan.address.path)
    assert found is not None
    assert found.facts[0] == "3 complete"
    assert not found.is_running
    (chart,) = found.charts
    assert sorted(line.name for line in chart.lines) == [f"trial {number} complete" for number in range(3)]
    assert "validation accuracy" in _text([found])


def test_the_command_says_what_to_start_where_nothing_was_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["watch"], ["watch", "--sweep"]):
        done = CliRunner().invoke(app, words)
        assert "nothing was run here yet: start 'dvc repro' or 'ferflow tune'" in str(done.exception)
    assert not DEFAULT.exists()
    _training(tmp_path, "run", [0.2]).release()
    done = CliRunner().invoke(app, ["watch", "--page", "out/watch.html"])
    assert done.exit_code == 0, done.output
    assert "killed: epoch 1 of 20" in Path("out/watch.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_the_page(tmp_path):
    _training(tmp_path, "first", [0.2, 0.5, 0.4])
    _training(tmp_path, "second", [], started=2000)
    page = tmp_path / "watch.html"
    # Eight lines are all colours that there are.
    lines = tuple(Line(f"trial {number} running", ((1, 0.1), (2, number / 10))) for number in range(8))
    study = Watched("study", ("8 running",), (Chart("validation accuracy", lines, 2, is_share=True),), True)
    write_watch_page(page, [*watch_trainings(tmp_path), study], seconds=600)
    assert faults_of(page.as_uri()) == []


@pytest.mark.slow
def test_the_page_asks_for_itself_anew_until_it_is_paused(tmp_path):
    _training(tmp_path, "first", [0.2])
    path = tmp_path / "watch.html"
    write_watch_page(path, watch_trainings(tmp_path), seconds=600)

    def change(old: str, new: str) -> None:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        page.clock.run_for(600_000)

    with opened(path.as_uri(), complaints=[]) as page:
        page.clock.install()
        page.reload()
        change("first", "second")
        page.get_by_role("heading", name="second").wait_for()
        page.get_by_role("button", name="Pause").click()
        change("second", "third")
        assert page.get_by_role("heading", name="second").is_visible()
        page.get_by_role("button", name="Go on").click()
        change("third", "third")
        page.get_by_role("heading", name="third").wait_for()
