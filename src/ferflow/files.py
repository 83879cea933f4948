"""Results that are whole or absent: atomic files and folders, checksums.

A result is written under a temporary name beside its place and renamed, so that a kill leaves
the old one or the new one.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ferflow.errors import DataError, OutputError
from ferflow.limits import dict_of, parse_json
from ferflow.temporaries import is_old, left_over, old_name, temporary_name, without_marks

_CHUNK_BYTES = 1 << 20
# Times that a folder takes its place while rivals put theirs there.
_TRIES = 1000
_CURES = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EACCES: "the folder is not writable: change its permissions or choose another place",
    errno.EPERM: "the folder is not writable: change its permissions or choose another place",
    errno.EFBIG: "the limit of file sizes is reached: raise it (ulimit -f), or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
}


_CHECK: ContextVar[Callable[[Path], None] | None] = ContextVar("check", default=None)


def output_error(path: Path, error: OSError) -> OutputError:
    """The `OutputError` that says why `path` could not be written, and the cure."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    cure = _CURES.get(error.errno or 0, "see that the place exists and can be written")
    return OutputError(f"{without_marks(path)}: cannot be written ({reason}); {cure}")


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends well.

    What stood at `target` is replaced as a whole; where `target` is a link, the folder that it leads to
    is, and the link stays. When the block raises, the new folder is removed and `target` is left as it
    was. Leftovers of killed runs are swept up; those of living rivals are theirs, and the last one to
    end wins. The folder's permissions are those of the umask.

    Raises:
        OutputError: The folder cannot be made, filled or renamed.
    """
    place = Path(os.path.realpath(target)) if target.is_symlink() or not target.name else target
    if not place.name:
        raise OutputError(f"{target}: is no folder that can be replaced; choose another place")
    fresh = place.with_name(temporary_name(place, keep_suffix=False))
    try:
        _make_parent(place)
        _sweep(place)
        fresh.mkdir()
    except OSError as error:
        raise output_error(target, error) from error
    try:
        yield fresh
        _sync_tree(fresh)
        _ask(target)
        _swap(fresh, place)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        _restore(fresh.with_name(old_name(fresh.name)), place)
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` that is renamed to it when the block ends well.

    The temporary name keeps the suffix of `target`, for writers that choose a format by it. A link at
    `target` is replaced and not followed: DVC links files to its cache, which nobody may write to.

    Raises:
        OutputError: The file cannot be written or renamed.
    """
    if not target.name:
        raise OutputError(f"{target}: is a folder, expected a file; choose another place")
    fresh = target.with_name(temporary_name(target, keep_suffix=True))
    try:
        _refuse_device(target)
        _make_parent(target)
        for leftover in left_over(target, keep_suffix=True):
            leftover.unlink(missing_ok=True)
        yield fresh
        _sync(fresh)
        _ask(target)
        fresh.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):  # the folder is not one, or was taken away
            fresh.unlink(missing_ok=True)


@contextmanager
def checking(check: Callable[[Path], None]) -> Iterator[None]:
    """Inside the block, ask before each result takes its place.

    Args:
        check: Called with the place just before the renaming, in the thread of the block; what it raises
            leaves the old result where it is.
    """
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


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


def _ask(target: Path) -> None:
    check = _CHECK.get()
    if check is not None:
        check(target)


def _refuse_device(target: Path) -> None:
    """Refuse what no file may take the place of: `/dev/null`, or a link to what a process has open.

    Raises:
        OutputError: It is one.
    """
    real = Path(os.path.realpath(target))
    is_open_file = target.is_symlink() and real.is_relative_to("/proc")
    if is_open_file or (target.exists() and not target.is_file() and not target.is_dir()):
        raise OutputError(f"{target}: is a pipe or device, expected a file; choose another place")


def _make_parent(target: Path) -> None:
    """Make the folder of `target`; a link to a folder that is not there yet is followed."""
    Path(os.path.realpath(target.parent)).mkdir(parents=True, exist_ok=True)


def _swap(fresh: Path, place: Path) -> None:
    """Rename `fresh` to `place`; rivals that do the same at the same time only change who is last."""
    old = fresh.with_name(old_name(fresh.name))
    for left in reversed(range(_TRIES)):
        with contextlib.suppress(FileNotFoundError):  # there was none, or a rival has just moved it
            place.rename(old)
        try:
            fresh.rename(place)
            break
        except OSError as error:
            # A rival's folder is there again. Windows says PermissionError.
            if left == 0 or error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
                raise
            shutil.rmtree(old, ignore_errors=True)
    _sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _restore(old: Path, place: Path) -> None:
    """Give back its place to a folder that had made room for one that did not come."""
    if old.exists() and not place.exists():
        with contextlib.suppress(OSError):  # a rival was faster
            old.rename(place)


def _sweep(place: Path) -> None:
    """Undo what killed runs left of a folder under temporary names."""
    for leftover in left_over(place, keep_suffix=False):
        if is_old(leftover):
            _restore(leftover, place)
        shutil.rmtree(leftover, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    """Have the kernel write all files below a folder, and the folders' entries, to the disk."""
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            if (file := Path(path) / name).is_file():
                _sync(file)
        _sync(Path(path))


def _sync(path: Path) -> None:
    """Have the kernel write a file's content, or a folder's entries, to the disk."""
    if os.name != "posix" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path, *, cure: str) -> dict[str, Any]:
    """Read the JSON object of a file, within the limits of `ferflow.limits`.

    Args:
        path: The file.
        cure: What the message says is to be done, such as "run 'dvc repro'".

    Raises:
        DataError: The file is missing, is not readable as JSON, or holds something else than an object.
    """
    try:
        return dict_of(parse_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataError(f"{path}: not found; {cure}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {cure}") from error


def png_data_uri(path: Path) -> str:
    """The address that holds a PNG file itself, for `src` of an image.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); write it again") from error
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
