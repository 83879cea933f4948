"""Progress: what is counted, of how many, in which unit."""

from __future__ import annotations

import io

import pytest

from ferflow import progress


@pytest.fixture
def each_second(monkeypatch):
    """A clock that goes on by ten seconds a look."""
    times = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(times)))


def test_lines_say_what_is_counted(each_second, capsys):
    assert list(progress.track(range(4), total=4, label="training", unit="steps")) == [0, 1, 2, 3]
    assert capsys.readouterr().err.splitlines() == [
        "training: 1 of 4 steps",
        "training: 2 of 4 steps, 20 s left",
        "training: 3 of 4 steps, 10 s left",
    ]


def test_a_slow_first_item_does_not_count_in_the_time_that_is_left(monkeypatch, capsys):
    times = iter([0.0, 1000.0, 1010.0, 1020.0, 1030.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    list(progress.track(range(4), total=4, label="training", unit="steps"))
    assert "2 of 4 steps, 20 s left" in capsys.readouterr().err


def test_lines_without_a_total_say_what_is_counted(each_second, capsys):
    assert len(list(progress.track(iter("ab"), total=None, label="reading"))) == 2
    assert capsys.readouterr().err.splitlines() == ["reading: 1 images done", "reading: 2 images done"]


@pytest.mark.parametrize(("total", "said"), [(3, "3 of 3 steps"), (None, "3 steps")])
def test_a_bar_says_what_is_counted(monkeypatch, total, said):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress.track(range(3), total=total, label="training", unit="steps")) == [0, 1, 2]
    assert said in terminal.getvalue()
