"""Names under which results are written before they take their place, and which of them are left over.

A temporary name says who writes it: process, its start time, the boot of the machine, and the machine
itself with its space of process numbers. A rival that writes the same result at the same time is thus
told from a process that was killed, even where its number was given to another one since.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import secrets
import socket
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Of a name; what is longer is cut, so that name and mark stay below the 255 bytes of a file system.
_MAX_STEM_BYTES = 120
# Of what another machine, or a former version, left: nobody here can tell whether its writer lives.
_SECONDS_UNTIL_ABANDONED = 24 * 3600
_MARK = re.compile(
    r"\.tmp-(?P<pid>\d+)-(?P<start>\d+)-(?P<boot>[0-9a-f]{8})-(?P<place>[0-9a-f]{8})-[0-9a-f]{8}(?P<old>-old)?"
)
_PID_ONLY = re.compile(r"\.tmp-(?P<pid>\d+)(?:\.|$)")


@dataclass(frozen=True)
class _Writer:
    """Who writes under a temporary name; `boot` and `place` are digests."""

    pid: int
    start: int
    boot: str
    place: str


def temporary_name(target: Path, *, keep_suffix: bool) -> str:
    """A name beside `target` that no other process and no other call takes.

    Args:
        target: Where the result will be.
        keep_suffix: Whether the suffix of `target` stays at the end, for writers that choose a format by it.
    """
    writer = _this_process(os.getpid())
    mark = f".tmp-{writer.pid}-{writer.start}-{writer.boot}-{writer.place}-{secrets.token_hex(4)}"
    return f"{_stem(target, keep_suffix)}{mark}{target.suffix if keep_suffix else ''}"


def old_name(temporary: str) -> str:
    """Where the folder that stood at the target waits while the one of `temporary` takes its place."""
    return f"{temporary}-old"


def without_marks(path: Path) -> Path:
    """What a file under a temporary name, or in a folder of one, will be called."""
    return Path(_MARK.sub("", str(path)))


def left_over(target: Path, *, keep_suffix: bool) -> list[Path]:
    """The temporaries of `target` whose writers are dead, old ones of folders (`old_name`) first.

    What was written on another machine, or bears no writer's name, counts after a day without change.
    """
    suffix = glob.escape(target.suffix) if keep_suffix else ""
    pattern = f"{glob.escape(_stem(target, keep_suffix))}.tmp-*{suffix}"
    found = [path for path in target.parent.glob(pattern) if _is_abandoned(path)]
    return sorted(found, key=lambda path: (not is_old(path), path.name))


def is_old(path: Path) -> bool:
    """Whether a temporary is a folder that had to make room for its successor."""
    return path.name.endswith("-old")


def _stem(target: Path, keep_suffix: bool) -> str:
    stem = target.stem if keep_suffix else target.name
    raw = os.fsencode(stem)
    if len(raw) <= _MAX_STEM_BYTES:
        return stem
    return raw[:_MAX_STEM_BYTES].decode(errors="ignore") + "-" + hashlib.sha256(raw).hexdigest()[:8]


def _is_abandoned(path: Path) -> bool:
    """Whether the writer of a temporary is dead, or has not been heard of for a day."""
    here = _this_process(os.getpid())
    if found := _MARK.search(path.name):
        writer = _Writer(int(found["pid"]), int(found["start"]), found["boot"], found["place"])
        if writer.place == here.place:
            return writer.boot != here.boot or not _lives(writer.pid, writer.start)
    elif (found := _PID_ONLY.search(path.name)) and not _lives(int(found["pid"]), 0):
        return True
    try:
        return time.time() - path.lstat().st_mtime > _SECONDS_UNTIL_ABANDONED
    except OSError:  # its writer was faster
        return False


@lru_cache(maxsize=2)
def _this_process(pid: int) -> _Writer:
    """The process that runs this; asked for by its number, so that a fork is not taken for its parent."""
    start = _start_of(pid) or 0
    return _Writer(pid, start, _digest(_boot()), _digest(f"{socket.gethostname()} {_process_space()}"))


def _lives(pid: int, start: int) -> bool:
    """Whether the process runs; `start` 0: any process of that number will do."""
    if Path("/proc/self/stat").exists():
        found = _start_of(pid)
        return found is not None and start in (0, found)
    if os.name != "posix":
        return True  # there kill(pid, 0) would end it; only age tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _start_of(pid: int) -> int | None:
    """Start time of a process in ticks since boot; None where it is dead, a zombie or not known."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name of the program is in brackets, and may hold brackets and spaces.
    fields = content.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _process_space() -> str:
    """Containers number their processes by themselves, and can share a folder."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
