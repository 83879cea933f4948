"""The process that unpacks a 7z or RAR archive: its list first, then the members that are asked for.

Who started it reads frames from standard output: what follows (a member's number, or one of the numbers
below), how many bytes, and the bytes. After the list it waits for a line of JSON on standard input, the
numbers of the wanted members. Nothing is written to disk, but for what a program that unpacks RAR does.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import IO, Any, Protocol

from ferflow import heavy
from ferflow.data.process_limits import limit_memory, limit_processor

FRAME = struct.Struct(">iI")
PROBLEM, LIST, END = -1, -2, -3
MEMORY = 1 << 30
# Of the processor: for the list, and above that a second for so many bytes unpacked.
SECONDS, BYTES_A_SECOND = 60, 1_000_000
CHUNK_BYTES = 1 << 20

Send = Callable[[int, bytes], None]


@dataclass(frozen=True)
class Entry:
    """One member: its name with `/`, bytes unpacked (-1: not said), and file, folder, link or special."""

    name: str
    size: int
    kind: str


class RefusedError(Exception):
    """The archive is not unpacked; the message is why: `encrypted`, `split` or `program`."""


class Archive(Protocol):
    """An archive of one kind."""

    entries: list[Entry]

    def unpack(self, wanted: Sequence[int], send: Send) -> None:
        """Send the content of the wanted members, in any pieces, one member after the other."""


class SevenZip:
    """A 7z archive, by py7zr."""

    def __init__(self, stream: IO[bytes]) -> None:
        try:
            # From an open file it unpacks in one thread, in the order in which members lie there.
            self._archive = heavy.py7zr.SevenZipFile(stream, "r")
        except heavy.py7zr.exceptions.PasswordRequired as error:
            raise RefusedError("encrypted") from error
        if self._archive.needs_password():
            raise RefusedError("encrypted")
        self.entries = [
            Entry(item.filename, item.uncompressed, _kind_in_7z(item)) for item in self._archive.files
        ]

    def unpack(self, wanted: Sequence[int], send: Send) -> None:
        """Send the content of the wanted members."""
        numbers: dict[str, int] = {}
        for number in wanted:
            path = PurePath(self.entries[number].name).as_posix()
            if path in numbers:
                raise ValueError(f"it holds {path} twice")
            numbers[path] = number

        class Sender(heavy.py7zr.io.Py7zIO):
            """What py7zr writes a member to."""

            def __init__(self, number: int) -> None:
                self._number, self._size = number, 0

            def write(self, s: bytes | bytearray) -> int:
                for start in range(0, len(s), CHUNK_BYTES):
                    send(self._number, bytes(s[start : start + CHUNK_BYTES]))
                self._size += len(s)
                return len(s)

            def read(self, size: int | None = None) -> bytes:  # noqa: ARG002
                return b""

            def seek(self, offset: int, whence: int = 0) -> int:  # noqa: ARG002
                return 0

            def flush(self) -> None:
                """Nothing waits."""

            def size(self) -> int:
                return self._size

        class Senders(heavy.py7zr.io.WriterFactory):
            """Makes one for each member."""

            def create(self, filename: str) -> Sender:
                return Sender(numbers[filename])

        names = [self.entries[number].name for number in wanted]
        self._archive.extract(targets=names, factory=Senders())


def _kind_in_7z(item: Any) -> str:
    if item.is_symlink or item.is_junction:
        return "link"
    if item.is_socket:
        return "special"
    return "folder" if item.is_directory else "file"


class Rar:
    """A RAR archive (3 or 5), by rarfile; what is packed by RAR's own methods, by a program that it finds."""

    def __init__(self, stream: IO[bytes]) -> None:
        blocks: list[int] = []
        try:
            self._archive = heavy.rarfile.RarFile(
                stream.name, info_callback=lambda block: blocks.append(block.type)
            )
        except heavy.rarfile.NeedFirstVolume as error:
            raise RefusedError("split") from error
        if self._archive.needs_password():
            raise RefusedError("encrypted")
        problem = self._archive.strerror() or ""
        if len(self._archive.volumelist()) > 1 or "volume" in problem:
            raise RefusedError("split")
        if problem or heavy.rarfile.RAR_BLOCK_ENDARC not in blocks:
            raise ValueError(problem or "no end mark")
        self._infos = self._archive.infolist()
        self._is_stored = all(
            info.compress_type == heavy.rarfile.RAR_M0 for info in self._infos if info.is_file()
        )
        self.entries = [Entry(info.filename, _size_in_rar(info), _kind_in_rar(info)) for info in self._infos]

    def unpack(self, wanted: Sequence[int], send: Send) -> None:
        """Send the content of the wanted members."""
        if not self._is_stored:
            self._unpack_by_program(set(wanted), send)
            return
        for number in wanted:
            with self._archive.open(self._infos[number]) as member:
                while chunk := member.read(CHUNK_BYTES):
                    send(number, chunk)

    def _unpack_by_program(self, wanted: set[int], send: Send) -> None:
        """One process for all members: of a solid archive, each would begin at the start again."""
        try:
            command = heavy.rarfile.tool_setup().open_cmdline(None, self._archive.filename)
        except heavy.rarfile.RarCannotExec as error:
            raise RefusedError("program") from error
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None  # noqa: S101 (for the type checker)
            for number, entry in enumerate(self.entries):
                if entry.kind == "file":
                    self._pass_on(process.stdout, number, send if number in wanted else _drop)
            rest = process.stdout.read(1)
        if rest or process.returncode:
            raise ValueError(f"{command[0]} did not unpack it (it ended with {process.returncode})")

    def _pass_on(self, stream: IO[bytes], number: int, send: Send) -> None:
        entry, checksum = self.entries[number], 0
        left = entry.size
        while left:
            chunk = stream.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise ValueError(f"{entry.name} has {entry.size - left} bytes of {entry.size}")
            checksum = zlib.crc32(chunk, checksum)
            send(number, chunk)
            left -= len(chunk)
        expected = self._infos[number].CRC
        if expected is not None and checksum != expected:
            raise ValueError(f"the checksum of {entry.name} is wrong")


def _kind_in_rar(info: Any) -> str:
    if info.is_dir():
        return "folder"
    # A copy of another member, a hard link and a junction are no files of their own either.
    if info.is_symlink() or info.file_redir:
        return "link"
    return "file" if info.is_file() else "special"


def _size_in_rar(info: Any) -> int:
    return -1 if info.file_size is None else int(info.file_size)


def _drop(number: int, content: bytes) -> None:
    """Of a member that is not wanted."""


KINDS: dict[str, Callable[[IO[bytes]], Archive]] = {"7z": SevenZip, "RAR": Rar}


def main() -> None:
    """Unpack the archive that the arguments name: its kind and its path."""
    kind, path = sys.argv[1:]
    answers = sys.stdout.buffer

    def send(what: int, content: bytes) -> None:
        answers.write(FRAME.pack(what, len(content)))
        answers.write(content)

    limit_memory(MEMORY)
    limit_processor(SECONDS)
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 (by the name as it came)
            # py7zr looks whether names would lead out of where it is.
            os.chdir(os.path.sep)
            archive = KINDS[kind](stream)
            send(LIST, json.dumps([asdict(entry) for entry in archive.entries]).encode())
            answers.flush()
            if not (line := sys.stdin.buffer.readline()):
                return
            wanted = json.loads(line)
            num_bytes = sum(max(0, entry.size) for entry in archive.entries)
            limit_processor(SECONDS + num_bytes // BYTES_A_SECOND)
            archive.unpack(wanted, send)
            send(END, b"")
    except BrokenPipeError:
        return  # Nobody wants the rest.
    except RefusedError as error:
        send(PROBLEM, str(error).encode())
    except MemoryError:
        send(PROBLEM, b"memory")
    except Exception as error:  # Whatever a library raises on damaged input.
        reason = " ".join(str(error).split()) or type(error).__name__
        send(PROBLEM, f"damaged {reason[:300]}".encode("utf-8", "backslashreplace"))
    answers.flush()


if __name__ == "__main__":
    main()
