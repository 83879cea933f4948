"""Results that are whole or absent: atomic files and folders, stage locks, free space.

A result is written under a temporary name beside its place and renamed, so that a kill leaves
the old one or the new one. A stage holds a lock while it runs: the kernel releases it when the
process dies, however it dies, so a lock is never stale.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferflow.errors import OutputError

_CHUNK_BYTES = 1 << 20
_CURES = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EACCES: "the folder is not writable: change its permissions or choose another place",
    errno.EPERM: "the folder is not writable: change its permissions or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """The `OutputError` that says why `path` could not be written, and the cure."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    cure = _CURES.get(error.errno or 0, "see that the place exists and can be written")
    return OutputError(f"{path}: cannot be written ({reason}); {cure}")


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends well.

    What stood at `target` is replaced as a whole. When the block raises, the new folder is
    removed and `target` is left as it was. Leftovers of a killed run are swept up first.

    Raises:
        OutputError: The folder cannot be made, filled or renamed.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.tmp-", dir=target.parent))
    except OSError as error:
        raise output_error(target, error) from error
    try:
        yield fresh
        for path in fresh.rglob("*"):
            if path.is_file():
                _sync(path)
        fresh.chmod(0o755)
        _sync(fresh)
        old = target.with_name(f"{target.name}.tmp-old")
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        _sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        _sweep(target)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` that is renamed to it when the block ends well.

    The temporary name keeps the suffix of `target`, for writers that choose a format by it.

    Raises:
        OutputError: The file cannot be written or renamed.
    """
    fresh = target.with_name(f"{target.stem}.tmp-{os.getpid()}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_files(target)
        yield fresh
        _sync(fresh)
        fresh.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        _sweep_files(target)


def write_json(target: Path, content: Any) -> None:
    """Write `content` as indented JSON with a final newline; NaN is refused (`ValueError`)."""
    with atomic_file(target) as fresh:
        fresh.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def stage_lock(stage: str, *, directory: Path, on_wait: Any = None) -> Iterator[bool]:
    """Hold the lock of a stage; wait for another process that has it.

    Args:
        stage: Name of the stage, as in `dvc.yaml`.
        directory: Folder of the lock files.
        on_wait: Called once with a message when another process holds the lock.

    Yields:
        True if the lock was free, False if another run had to be waited for.

    Raises:
        OutputError: The lock file cannot be made or written.
    """
    path = directory / f"{stage}.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b", buffering=0)
    except OSError as error:
        raise output_error(directory, error) from error
    with stream:
        was_free = True
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            was_free = False
            stream.seek(0)
            if on_wait is not None:
                holder = stream.read().decode(errors="replace").strip() or "another process"
                on_wait(f"stage {stage} is being run by {holder}; waiting")
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            stream.truncate(0)
            stream.write(f"process {os.getpid()}".encode())
        except OSError as error:
            raise output_error(path, error) from error
        yield was_free


def _sweep(target: Path) -> None:
    """Undo what this or a killed run left of `target` under temporary names."""
    old = target.with_name(f"{target.name}.tmp-old")
    if old.exists() and not target.exists():
        old.rename(target)
    for leftover in target.parent.glob(f"{glob.escape(target.name)}.tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sweep_files(target: Path) -> None:
    """Remove what this or a killed run left of `target` under temporary names."""
    for leftover in target.parent.glob(f"{glob.escape(target.stem)}.tmp-*{target.suffix}"):
        leftover.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have the kernel write a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
