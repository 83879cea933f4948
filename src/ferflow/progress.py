"""Progress with an estimated time of arrival: a bar on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

from ferflow.redaction import hide

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0


def track(
    items: Iterable[Item], *, total: int | None, label: str, unit: str = "images"
) -> Generator[Item, None, None]:
    """Yield the items while showing on stderr how many are done and how long the rest takes.

    Args:
        items: What is worked through.
        total: How many items there are; None where nobody knows, as in a compressed archive.
        label: What is being done, such as "detecting faces".
        unit: What is counted.
    """
    if sys.stderr.isatty():
        yield from _with_bar(items, total, label, unit)
        return
    # Time is counted from the first item's end: a network's first step is compiled, which takes longer.
    first_end: float | None = None
    last_line = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        first_end = now if first_end is None else first_end
        if now - last_line < _SECONDS_BETWEEN_LINES or done == total:
            continue
        last_line = now
        if total is None:
            say(f"{label}: {done:,} {unit} done")
        elif done == 1:
            say(f"{label}: {done:,} of {total:,} {unit}")
        else:
            left = (now - first_end) / (done - 1) * (total - done)
            say(f"{label}: {done:,} of {total:,} {unit}, {duration(left)} left")


def _with_bar(items: Iterable[Item], total: int | None, label: str, unit: str) -> Iterator[Item]:
    # Late: only a terminal has a bar, and everything imports this module.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    counted = "{task.completed:,.0f}" + ("" if total is None else f" of {total:,}") + f" {unit}"
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn(counted), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=label)


def say(message: str) -> None:
    """Print one line for a person on stderr, without secrets; stdout is kept for results."""
    print(hide(message), file=sys.stderr, flush=True)  # noqa: T201


def duration(seconds: float) -> str:
    """Seconds as a person writes them: `8 s`, `3 min 20 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
