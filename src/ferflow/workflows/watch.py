"""Look at what runs here, again and again, without changing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from ferflow import watching
from ferflow.errors import TrackingError
from ferflow.tuning.storage import DEFAULT
from ferflow.watching.state import Watched

_ROOT = Path()


def looks(
    *, is_sweep: bool = False, study: str | None = None, every: float = 2.0, once: bool = False
) -> Iterator[list[Watched]]:
    """What runs, every few seconds, until nothing runs any more; what ended last where nothing does.

    Args:
        is_sweep: The newest study instead of trainings.
        study: This study.
        every: Seconds between two looks.
        once: Look once.

    Raises:
        TrackingError: Nothing was run here yet, or a journal is damaged.
        TuningError: The storage of the studies cannot be read, or there is no such study.
    """
    while True:
        watched = _look(is_sweep=is_sweep or study is not None, study=study)
        if not watched:
            raise TrackingError(
                "nothing was run here yet: start 'dvc repro' or 'ferflow tune' in this folder, then watch"
            )
        yield watched
        if once or not any(item.is_running for item in watched):
            return
        time.sleep(every)


def keep_page(page: Path, found: Iterator[list[Watched]], *, every: float) -> None:
    """Write the page anew at each look.

    Args:
        page: The HTML file.
        found: What `looks` gave.
        every: Seconds after which the browser asks again.

    Raises:
        OutputError: The page cannot be written; and what `looks` raises.
    """
    for watched in found:
        watching.page.write_watch_page(page, watched, seconds=every)


def _look(*, is_sweep: bool, study: str | None) -> list[Watched]:
    if not is_sweep:
        return watching.state.watch_trainings(_ROOT)
    found = watching.sweeps.watch_sweep(DEFAULT, study)
    return [] if found is None else [found]
