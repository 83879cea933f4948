"""What surrounds the work of a use case: a lock, so that two do not write over each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferflow import paths
from ferflow.files import checking
from ferflow.locks import stage_lock
from ferflow.params import Params
from ferflow.progress import say
from ferflow.stages.started import Started


@contextmanager
def locked(name: str, *, output: Path | None = None) -> Iterator[None]:
    """Hold the lock of a stage, or of something that must not run twice at a time; wait for another holder.

    Args:
        name: Its name.
        output: A folder that is all that is written, and as a whole. It can be made although this user cannot
            write the project; there is no lock then, which would only spare work.

    Raises:
        OutputError: The lock cannot be made.
    """
    if output is not None and not _can_be_made(paths.LOCKS) and _can_be_made(output):
        yield
        return
    with stage_lock(name, directory=paths.LOCKS, on_wait=say):
        yield


def _can_be_made(folder: Path) -> bool:
    """Whether this user may write a folder, or make it."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK)


@contextmanager
def running(stage: str, params: Params, origin: Path | None) -> Iterator[None]:
    """Hold the lock of a stage, and see that it only replaces what it began with.

    Args:
        stage: Its name.
        params: Its parameters.
        origin: The file that they are from; None where they are from none.

    Raises:
        OutputError: The lock cannot be made, or parameters or inputs changed meanwhile.
    """
    with locked(stage), checking(Started(stage, params, origin).check):
        yield
