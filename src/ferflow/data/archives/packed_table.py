"""The bytes of a table that may be packed: plain, gz, bz2, xz, or the one table in a zip, tar, 7z or RAR.

Nothing is unpacked to disk; what is unpacked is counted against the bounds while it is read.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ferflow.data.archives.archives import (
    DAMAGE,
    check_zip_member,
    is_zip,
    open_packed,
    refuse_damage,
    start_of,
    tar_members,
    zip_name,
)
from ferflow.data.archives.bounds import check_ratio, check_total
from ferflow.data.archives.file_kinds import kind_of, refuse_foreign
from ferflow.data.archives.file_names import has_image_name, has_no_ending, is_litter
from ferflow.data.archives.foreign_archive import PieceStream, check_list, foreign_names, open_foreign
from ferflow.data.archives.zip_directory import DirectoryFirst
from ferflow.errors import SourceError

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

TABLES = (".csv", ".tsv", ".tab")
PARQUET_START = b"PAR1"
PACKINGS = (".gz", ".bz2", ".xz", ".zip")
_TAR_MARK = slice(257, 262)
_NUM_NAMED = 5
_FEW = 50
_START_BYTES = 512


@contextmanager
def open_table(path: Path, bounds: DownloadParams) -> Iterator[io.BufferedReader]:
    """Open the table at a path.

    Raises:
        SourceError: The file is missing, of a kind that holds no table, damaged, or over a bound; or the
            archive holds no table or several.
    """
    start = start_of(path)
    refuse_foreign(path, start)
    try:
        if kind := kind_of(start):
            with open_foreign(path, kind) as foreign:
                numbers = {
                    entry.name: number for number, entry in enumerate(foreign.entries) if entry.kind == "file"
                }
                chosen = numbers[_only_table(path, list(numbers))]
                check_list(path, foreign.entries, bounds, lambda _: False)
                yield _bounded(cast("IO[bytes]", PieceStream(foreign.pieces([chosen]))), path, bounds)
            return
        if is_zip(start):
            with (
                path.open("rb") as packed,
                zipfile.ZipFile(DirectoryFirst(packed, path, bounds)) as archive,
                _open_in_zip(path, archive, bounds) as stream,
            ):
                yield _bounded(stream, path, bounds)
            return
        with open_packed(path, start) as unpacked:
            head = unpacked.read(_START_BYTES)
        if head.startswith(PARQUET_START):
            raise SourceError(f"{path}: is a packed Parquet file; unpack it and give the file inside it")
        if head[_TAR_MARK] == b"ustar":
            with open_packed(path, start) as unpacked:
                yield from _open_in_tar(path, start, unpacked, bounds)
            return
        with open_packed(path, start) as unpacked:
            yield _bounded(unpacked, path, bounds)
    except DAMAGE as error:
        refuse_damage(path, "packed", error)


def holds_table(path: Path, bounds: DownloadParams) -> bool:
    """Whether an archive holds a table and no image, or a packed or plain file is text with separators.

    Args:
        path: The file.
        bounds: What is too many or too large; a file over them is none, and reading it says why.
    """
    start = start_of(path)
    try:
        if kind := kind_of(start):
            refuse_foreign(path, start)
            names = foreign_names(path, kind, bounds)
        elif is_zip(start):
            with path.open("rb") as stream, zipfile.ZipFile(DirectoryFirst(stream, path, bounds)) as archive:
                names = archive.namelist()
        else:
            with open_packed(path, start) as unpacked:
                head = unpacked.read(_START_BYTES)
            if head[_TAR_MARK] != b"ustar":
                return (
                    head.startswith(PARQUET_START) or b"emotion" in head.lower() or b"pixel" in head.lower()
                )
            names = _first_names_in_tar(path, start, bounds)
    except (*DAMAGE, SourceError):
        return False  # reading it as images says what is wrong
    return any(name.lower().endswith(TABLES) for name in names) and not any(
        has_image_name(name) and not has_no_ending(name) for name in names
    )


def _first_names_in_tar(path: Path, start: bytes, bounds: DownloadParams) -> list[str]:
    """Names of the first members: images come by the thousands, so that a few tell."""
    with open_packed(path, start) as unpacked:
        return [name for name, _, _ in itertools.islice(tar_members(path, unpacked, bounds), _FEW)]


def _open_in_zip(path: Path, archive: zipfile.ZipFile, bounds: DownloadParams) -> IO[bytes]:
    infos = {zip_name(info): info for info in archive.infolist() if not info.is_dir()}
    info = infos[_only_table(path, list(infos))]
    check_zip_member(path, zip_name(info), info)
    check_total(path, info.file_size, bounds)
    return archive.open(info)


def _open_in_tar(
    path: Path, start: bytes, unpacked: IO[bytes], bounds: DownloadParams
) -> Iterator[io.BufferedReader]:
    with open_packed(path, start) as first:
        names = [name for name, info, _ in tar_members(path, first, bounds) if info.isreg()]
    chosen = _only_table(path, names)
    for name, info, archive in tar_members(path, unpacked, bounds):
        stream = archive.extractfile(info) if name == chosen and not info.issparse() else None
        if stream is not None:
            yield cast("io.BufferedReader", stream)
            return
    raise SourceError(f"{path}: {chosen} is no plain file; unpack the archive and set download.path to it")


def _only_table(path: Path, names: Sequence[str]) -> str:
    """The name of the one table among the members."""
    real = [name for name in names if not any(is_litter(part) for part in name.split("/"))]
    tables = [name for name in real if name.lower().endswith(TABLES)]
    tables = tables or [name for name in real if name.lower().endswith(".txt")]
    if len(tables) == 1:
        return tables[0]
    if tables:
        raise SourceError(
            f"{path}: holds {len(tables)} tables, {', '.join(tables[:_NUM_NAMED])}; unpack it and set "
            "download.path to the one that you mean"
        )
    if any(has_image_name(name) and not has_no_ending(name) for name in real):
        raise SourceError(f"{path}: holds images and no table; use download.source archive")
    if any(name.startswith("xl/") for name in real):
        raise SourceError(f"{path}: is an Excel workbook; save it as CSV and set download.path to that")
    found = ", ".join(real[:_NUM_NAMED]) or "nothing"
    raise SourceError(
        f"{path}: holds {found} and no CSV; unpack it and set download.path to the table, or to the archive "
        "inside it"
    )


class _Bounded(io.RawIOBase):
    """What is read, counted."""

    def __init__(self, stream: IO[bytes], path: Path, bounds: DownloadParams) -> None:
        super().__init__()
        self._stream, self._path, self._bounds = stream, path, bounds
        self._packed, self._read = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the buffer's size."""
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        self._read += len(content)
        check_total(self._path, self._read, self._bounds)
        check_ratio(self._path, self._read, self._packed, self._bounds)
        return len(content)


def _bounded(stream: IO[bytes], path: Path, bounds: DownloadParams) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(stream, path, bounds), 1 << 16)
