"""What runs here now: trainings from their journals, sweeps from their storage; nothing is changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ferflow.progress import duration
from ferflow.tracking.outbox.journal import Journal, all_journals
from ferflow.tracking.outbox.record import RUNNING, Record, Value

# The curves that are shown: title, and name of each line to its metric.
_CURVES = {
    "accuracy": {"validation": "val_accuracy", "training": "accuracy"},
    "loss": {"validation": "val_loss", "training": "loss"},
}
_BEGUN_TOGETHER = 8


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it is.
        points: (epoch, value), epochs rising.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Curves over the epochs.

    Attributes:
        title: What the values are.
        lines: The curves; those without a point are left out.
        epochs: How far the axis reaches.
        is_share: Whether values are shares, 0-1.
    """

    title: str
    lines: tuple[Line, ...]
    epochs: int
    is_share: bool


@dataclass(frozen=True)
class Watched:
    """A training or a sweep as it is now.

    Attributes:
        title: Its name.
        facts: What is to be said of it, a line each.
        charts: Its curves.
        is_running: Whether a process works on it.
    """

    title: str
    facts: tuple[str, ...]
    charts: tuple[Chart, ...]
    is_running: bool


def watch_trainings(root: Path) -> list[Watched]:
    """The trainings that run, oldest first; where none runs, the newest one that ended.

    Args:
        root: The project's folder.

    Raises:
        TrackingError: A journal is damaged.
    """
    journals = all_journals(root)
    running = [journal for journal in journals if journal.is_alive()]
    # Names order by seconds; several may have begun within one.
    in_order = sorted(running or journals[-_BEGUN_TOGETHER:], key=lambda journal: journal.read().started)
    return [_training(journal) for journal in (in_order if running else in_order[-1:])]


def _training(journal: Journal) -> Watched:
    record, values = journal.read(), journal.values()
    epochs = [value for value in values if "val_accuracy" in value.values]
    planned = max(int(record.params.get("train.epochs", "0")), *(value.step for value in epochs), 1)
    charts = [
        Chart(title, _lines(epochs, metrics), planned, is_share=title == "accuracy")
        for title, metrics in _CURVES.items()
    ]
    is_running = record.state == RUNNING and journal.is_alive()
    return Watched(record.name, _facts(record, epochs, planned, is_running), tuple(charts), is_running)


def _lines(epochs: list[Value], metrics: dict[str, str]) -> tuple[Line, ...]:
    lines = (
        Line(name, tuple((value.step, value.values[key]) for value in epochs if key in value.values))
        for name, key in metrics.items()
    )
    return tuple(line for line in lines if line.points)


def _facts(record: Record, epochs: list[Value], planned: int, is_running: bool) -> tuple[str, ...]:
    if not epochs:
        return (f"{'running' if is_running else record.state}: no epoch is done yet",)
    best = max(epochs, key=lambda value: value.values["val_accuracy"])
    last = epochs[-1]
    state = "running" if is_running else "killed" if record.state == RUNNING else record.state
    facts = [
        f"{state}: epoch {last.step} of {planned}",
        f"best validation accuracy {best.values['val_accuracy']:.1%}, epoch {best.step}",
    ]
    if is_running and len(epochs) > 1:
        pace = (last.time - epochs[0].time) / 1000 / (last.step - epochs[0].step or 1)
        left = pace * (planned - last.step) - (time.time() - last.time / 1000)
        facts.append(f"about {duration(max(0.0, left))} left, {pace:.1f} s an epoch")
    return tuple(facts)
