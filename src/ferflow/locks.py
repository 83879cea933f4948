"""Locks between processes: held while a stage runs, freed by the kernel when its process dies.

A lock is a file that its holder has locked (`filelock`: flock on Linux and macOS, LockFileEx on Windows), so
that it is never stale. Where the system or the file system has no such lock, the file itself is the lock and
names its process; one that is dead loses it. A file beside a lock names its holder, since Windows lets
nobody read a locked one.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ferflow.files import output_error

with warnings.catch_warnings():
    # Where there is no kernel lock; the locks below do with less.
    warnings.filterwarnings("ignore", "only soft file lock is available")
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

# Seconds between two tries of one who waits.
_POLL_SECONDS = 0.02
# Seconds within which the holder of a file that is the lock has written its name into it.
_SECONDS_TO_WRITE = 30.0


class Lock:
    """A lock of one file; held from `acquire` to `release`, or until the process ends.

    Any thread may release it. It is for one holder at a time, also within a process.

    Args:
        path: The lock file; its folder exists. It is made when needed, and stays.
    """

    # A lock that its owner forgets is still held: only `release` and the end of the process free it.
    _held: set[Lock] = set()  # noqa: RUF012  # one for all

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Whether to wait for another holder; else the answer comes at once.

        Returns:
            True if the lock is held now, False if another one has it.

        Raises:
            OSError: The file cannot be made or locked.
        """
        lock = FileLock(self.path, thread_local=False, poll_interval=_POLL_SECONDS)
        if isinstance(lock, SoftFileLock):
            _drop_kernel_lock(self.path)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "flock not supported on this filesystem")
                lock.acquire(blocking=wait)
        except Timeout:
            return False
        self._lock = lock
        Lock._held.add(self)
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            Lock._held.discard(self)


def _drop_kernel_lock(path: Path) -> None:
    """Remove what a kernel's lock left, as in a project that comes from another system.

    Such a file stays, and stays empty. Where the file itself is the lock, its holder writes its name into it
    at once; an empty one would be waited for for ever.
    """
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if status.st_size == 0 and time.time() - status.st_mtime > _SECONDS_TO_WRITE:
            path.unlink()


def is_held(path: Path) -> bool:
    """Whether a process has the lock of `path`; without that file nobody has.

    Raises:
        OSError: The file cannot be opened.
    """
    if not path.exists():
        return False
    lock = Lock(path)
    if not lock.acquire(wait=False):
        return True
    lock.release()
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path`; wait for another holder.

    Raises:
        OutputError: The lock file cannot be made.
    """
    lock = Lock(path)
    try:
        lock.acquire()
    except OSError as error:
        raise output_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stage_lock(
    stage: str, *, directory: Path, on_wait: Callable[[str], object] | None = None
) -> Iterator[bool]:
    """Hold the lock of a stage; wait for another process that has it.

    Args:
        stage: Name of the stage, as in `dvc.yaml`.
        directory: Folder of the lock files; made when needed.
        on_wait: Called once with a message when another process holds the lock.

    Yields:
        True if the lock was free, False if another run had to be waited for.

    Raises:
        OutputError: The lock file cannot be made or written.
    """
    lock, holder = Lock(directory / f"{stage}.lock"), directory / f"{stage}.holder"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not (was_free := lock.acquire(wait=False)):
            if on_wait is not None:
                on_wait(f"stage {stage} is being run by {_read(holder)}; waiting")
            lock.acquire()
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
    except OSError as error:
        lock.release()
        raise output_error(lock.path, error) from error
    try:
        yield was_free
    finally:
        lock.release()


def _read(holder: Path) -> str:
    """Who holds a lock, as it has written."""
    with contextlib.suppress(OSError):  # it has not written yet
        if text := holder.read_text(encoding="utf-8", errors="replace").strip():
            return text
    return "another process"
