"""Studies in a journal file: its lock is never stale, and a line that a killed writer tore is removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow.locks import Lock

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_journal(place: Path) -> BaseStorage:
    """A storage of Optuna in a journal file.

    Args:
        place: The file; it is made where it is missing.
    """
    path = str(place)
    # Late: Optuna takes seconds, and a class is made of a part of it that types cannot be had of otherwise.
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    class KernelLock(JournalFileOpenLock):
        """A lock that is never stale, and that removes a line which a killed writer tore."""

        def __init__(self) -> None:
            super().__init__(path)
            self._kernel_lock = Lock(Path(f"{path}.write-lock"))

        def acquire(self) -> bool:
            """Wait for the lock."""
            self._kernel_lock.acquire()
            repair_journal(Path(path))
            return True

        def release(self) -> None:
            """Give the lock back."""
            self._kernel_lock.release()

    return JournalStorage(JournalFileBackend(path, lock_obj=KernelLock()))


def repair_journal(path: Path) -> None:
    """Cut off a last line without an end: its writer died, and nobody has read it.

    Call it with the write lock held.
    """
    if not path.exists():
        return
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        begin = max(0, end - (1 << 16))
        stream.seek(begin)
        tail = stream.read()
        whole = tail.rfind(b"\n") + 1
        if tail and whole < len(tail):
            stream.truncate(begin + whole)
