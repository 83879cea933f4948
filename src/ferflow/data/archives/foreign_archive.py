"""Members of a 7z or RAR archive, which a process of its own unpacks within limits.

The list comes first and is checked against the bounds before anything is unpacked; then the wanted members
come through a pipe. A decoder that fails, hangs or asks for too much takes that process with it and no more.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ferflow.data.archives.bounds import check_count, check_name, check_ratio, check_size, check_total
from ferflow.data.archives.file_kinds import JOIN_PARTS, REPACK
from ferflow.data.archives.members import Member, printable, refuse_kind
from ferflow.data.archives.unpack_worker import CHUNK_BYTES, END, FRAME, LIST, PROBLEM, SECONDS, Entry
from ferflow.errors import SourceError
from ferflow.limits import MAX_FOREIGN_LIST_BYTES

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

_MOST_BYTES = {PROBLEM: 4096, LIST: MAX_FOREIGN_LIST_BYTES, END: 0}
# What was found, and the cure.
_PROBLEMS = {
    "encrypted": ("is encrypted", "repack the archive without a password"),
    "split": ("is one part of a split archive", JOIN_PARTS),
    "program": (
        "is packed by a method of RAR's own, for which the library needs a program, and finds none",
        f"install unrar, unar, 7z or bsdtar, or {REPACK}",
    ),
    "memory": ("needs more than 1 GiB of memory to unpack", REPACK),
}
_LINKS = {"link": "a link", "special": "a special file"}


class ForeignArchive:
    """An archive that is being unpacked.

    Args:
        path: The path of the archive.
        kind: What messages call it: `7z` or `RAR`.
        process: What unpacks it.

    Attributes:
        entries: Its members; names are printable, with `/`.
    """

    def __init__(self, path: Path, kind: str, process: subprocess.Popen[bytes]) -> None:
        self.entries: list[Entry] = []
        self._path, self._kind, self._process = path, kind, process
        what, content = self._frame()
        if what != LIST:
            self._refuse("no list of members came")
        try:
            self.entries = [_entry(**entry) for entry in json.loads(content)]
        except (ValueError, TypeError) as error:
            self._refuse(f"its list of members is none: {error}")

    def pieces(self, wanted: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Number and content of the wanted members, in pieces, one member after the other.

        Raises:
            SourceError: It is damaged, or takes more than a limit.
        """
        left = {number: self.entries[number].size for number in wanted}
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        with suppress(OSError):  # It ended: what comes next, or does not come, says why.
            self._process.stdin.write(json.dumps(list(wanted)).encode() + b"\n")
            self._process.stdin.flush()
        current = -1
        while True:
            number, piece = self._frame()
            if number == END:
                break
            left_here = left.get(number, -1) - len(piece)
            if left_here < 0 or (number != current and left.get(current, 0)):
                self._refuse(f"member {number} has other bytes than its list says")
            left[number] = left_here
            current = number
            yield number, piece
        if short := [self.entries[number].name for number, size in left.items() if size]:
            self._refuse(f"{short[0]} is cut short")

    def _frame(self) -> tuple[int, bytes]:
        head = self._read(FRAME.size)
        if len(head) < FRAME.size:
            self._refuse_lost()
        what, length = FRAME.unpack(head)
        if length > _MOST_BYTES.get(what, CHUNK_BYTES):
            self._refuse(f"a piece of {length:,} bytes")
        content = self._read(length)
        if len(content) < length:
            self._refuse_lost()
        if what == PROBLEM:
            problem = content.decode("utf-8", "backslashreplace")
            if problem in _PROBLEMS:
                found, cure = _PROBLEMS[problem]
                raise SourceError(f"{self._path}: {found}; {cure}")
            self._refuse(problem.removeprefix("damaged "))
        return what, content

    def _read(self, num_bytes: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (for the type checker)
        return self._process.stdout.read(num_bytes)

    def _refuse(self, reason: str) -> NoReturn:
        raise SourceError(
            f"{self._path}: is a {self._kind} archive that cannot be read ({reason}): it is damaged, cut "
            f"short, or packed by an unusual method; fetch it again, or {REPACK}"
        )

    def _refuse_lost(self) -> NoReturn:
        if self._process.wait() == -getattr(signal, "SIGXCPU", 0):
            raise SourceError(
                f"{self._path}: takes more than {SECONDS} s, and a second a megabyte, of the processor to "
                "unpack; unpack it by hand and give the folder"
            )
        raise SourceError(
            f"{self._path}: cannot be unpacked: the decoder of {self._kind} failed, or needs more than its "
            "share of memory; unpack it by hand and give the folder"
        )


@contextmanager
def open_foreign(path: Path, kind: str) -> Iterator[ForeignArchive]:
    """Start the process that unpacks an archive, and end it.

    Args:
        path: The path of the archive.
        kind: `7z` or `RAR`, as of `file_kinds.kind_of`.

    Raises:
        SourceError: The archive cannot be read.
    """
    command = [sys.executable, "-P", "-m", "ferflow.data.archives.unpack_worker", kind, os.path.abspath(path)]  # noqa: PTH100 (links stay)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # What went wrong is in the frames.
        start_new_session=True,
    )
    try:
        yield ForeignArchive(path, kind, process)
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # What was not written yet has no reader.
                    stream.close()
        process.wait()


def foreign_names(path: Path, kind: str, bounds: DownloadParams | None) -> list[str]:
    """Names of all files of an archive.

    Raises:
        SourceError: It cannot be read; with bounds, one is broken, or a member is refused.
    """
    with open_foreign(path, kind) as archive:
        if bounds is not None:
            check_list(path, archive.entries, bounds, lambda _: False)
        return [entry.name for entry in archive.entries if entry.kind == "file"]


def read_foreign(
    path: Path, kind: str, bounds: DownloadParams, wanted: Callable[[str], bool]
) -> Iterator[Member]:
    """Yield the wanted files of a 7z or RAR archive.

    Raises:
        SourceError: The archive is damaged, over a bound, or holds a refused member.
    """
    with open_foreign(path, kind) as archive:
        chosen = check_list(path, archive.entries, bounds, wanted)
        yield from (
            Member(archive.entries[number].name, b"") for number in chosen if not archive.entries[number].size
        )
        full = [number for number in chosen if archive.entries[number].size]
        content = bytearray()
        for number, piece in archive.pieces(full) if full else ():
            content += piece
            if len(content) == archive.entries[number].size:
                yield Member(archive.entries[number].name, bytes(content))
                content.clear()


def check_list(
    path: Path, entries: Sequence[Entry], bounds: DownloadParams, wanted: Callable[[str], bool]
) -> list[int]:
    """The numbers of the wanted files; all files count for the bounds, as what is not wanted is unpacked too.

    Raises:
        SourceError: Over a bound, or a member is refused.
    """
    check_count(path, len(entries), bounds)
    chosen = []
    total, packed = 0, path.stat().st_size
    for number, entry in enumerate(entries):
        check_name(path, entry.name)
        if entry.kind in _LINKS:
            refuse_kind(path, entry.name, _LINKS[entry.kind])
        if entry.kind != "file":
            continue
        is_wanted = wanted(entry.name)
        if is_wanted or entry.size < 0:
            check_size(path, entry.name, entry.size, bounds)
        total += entry.size
        check_total(path, total, bounds)
        check_ratio(path, total, packed, bounds)
        if is_wanted:
            chosen.append(number)
    return chosen


class PieceStream(io.RawIOBase):
    """One member as a stream.

    Args:
        pieces: What `ForeignArchive.pieces` gives of this member.
    """

    def __init__(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        super().__init__()
        self._pieces, self._rest = iter(pieces), b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the buffer's size."""
        while not self._rest:
            found = next(self._pieces, None)
            if found is None:
                return 0
            self._rest = found[1]
        length = min(len(buffer), len(self._rest))
        buffer[:length], self._rest = self._rest[:length], self._rest[length:]
        return length


def _entry(name: str, size: Any, kind: str) -> Entry:
    raw = name.replace("\\", "/").encode("utf-8", "surrogatepass")
    return Entry(printable(raw), int(size), str(kind))
