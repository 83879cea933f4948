"""Members of a zip, tar, 7z, RAR or folder, one by one and in memory: nothing is ever unpacked to disk.

Refused: names that are absolute or climb with `..`, links, devices and other special members,
encrypted or exotic compression, and anything over the bounds in `DownloadParams`: count of
members, bytes of a member, bytes in all, ratio of unpacked to packed bytes. Damage and a missing
end are errors too, as a tar that was cut short otherwise reads as a shorter one.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast

from ferflow.data.archives.bounds import check_count, check_name, check_ratio, check_size, check_total
from ferflow.data.archives.file_kinds import kind_of, refuse_foreign
from ferflow.data.archives.folder_source import list_folder, read_folder
from ferflow.data.archives.foreign_archive import foreign_names, read_foreign
from ferflow.data.archives.members import Member, printable, refuse_kind, unreadable
from ferflow.data.archives.tar_stream import END_OF_ARCHIVE, BoundedStream
from ferflow.data.archives.zip_directory import DirectoryFirst
from ferflow.errors import SourceError
from ferflow.limits import MAX_TAR_RECORDS

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_START, _BZIP2_START, _XZ_START = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_ZIP_NAME_IS_UTF8 = 0x800
_ZIP_ENCRYPTED = 0x1
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_START_BYTES = 512
_BUFFER_BYTES = 1 << 16
# All that the readers raise on damaged input. RecursionError: a tar of nothing but nested headers;
# MemoryError: an xz header that asks for gigabytes of dictionary.
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


def read_members(path: Path, bounds: DownloadParams, *, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Yield the wanted files of a zip, a tar (plain, gz, bz2, xz), a 7z, a RAR or a folder.

    Args:
        path: The path of the archive or folder.
        bounds: What is too many, too large or packed too well.
        wanted: Says by its name whether a file is to be read; the others are passed over.

    Raises:
        SourceError: The source is missing, damaged, over a bound, or holds a refused member.
    """
    if path.is_dir():
        return read_folder(path, bounds, wanted)
    start = start_of(path)
    refuse_foreign(path, start)
    if kind := kind_of(start):
        return read_foreign(path, kind, bounds, wanted)
    if is_zip(start):
        return _read_zip(path, bounds, wanted)
    return _read_tar(path, bounds, wanted, start)


def known_names(path: Path, bounds: DownloadParams) -> list[str] | None:
    """Names of all files of a folder, zip, 7z or RAR; None for a tar, which tells them only when read.

    Raises:
        SourceError: As of `read_members`.
    """
    if path.is_dir():
        return [file.name for file in list_folder(path, bounds)]
    start = start_of(path)
    refuse_foreign(path, start)
    if kind := kind_of(start):
        return foreign_names(path, kind, bounds)
    if is_zip(start):
        names: list[str] = []

        def note(name: str) -> bool:
            names.append(name)
            return False

        for _ in _read_zip(path, bounds, note):
            pass
        return names
    return None


def is_zip(start: bytes) -> bool:
    """Whether the first bytes are a zip's."""
    return start.startswith(_ZIP_STARTS)


def start_of(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        SourceError: It cannot be read, or is no file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # A pipe would be waited for.
            raise SourceError(f"{path}: is a pipe or device, expected a file or folder; give one")
        with path.open("rb") as stream:
            return stream.read(_START_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def _read_zip(path: Path, bounds: DownloadParams, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Check the whole directory of the zip first, then read its members in the order they lie in."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(DirectoryFirst(stream, path, bounds)) as archive:
            chosen = _check_zip_directory(path, archive.infolist(), bounds, wanted)
            for name, info in chosen:
                # Never read(): without a size, zipfile unpacks all there is before it looks at the size.
                with archive.open(info) as packed:
                    content = packed.read(info.file_size + 1)
                if len(content) != info.file_size:
                    raise zipfile.BadZipFile(f"{name} has {len(content)} bytes of {info.file_size}")
                yield Member(name, content)
    except DAMAGE as error:
        refuse_damage(path, "zip", error)


def _check_zip_directory(
    path: Path, infos: list[zipfile.ZipInfo], bounds: DownloadParams, wanted: Callable[[str], bool]
) -> list[tuple[str, zipfile.ZipInfo]]:
    check_count(path, len(infos), bounds)
    chosen = []
    total, packed = 0, path.stat().st_size
    for info in infos:
        name = zip_name(info)
        check_name(path, name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name.endswith("/") or kind == stat.S_IFDIR:
            continue
        if kind not in (0, stat.S_IFREG):
            refuse_kind(path, name, "a link" if kind == stat.S_IFLNK else "a special file")
        if not wanted(name):
            continue
        check_zip_member(path, name, info)
        check_size(path, name, info.file_size, bounds)
        total += info.file_size
        check_total(path, total, bounds)
        check_ratio(path, total, packed, bounds)
        chosen.append((name, info))
    return sorted(chosen, key=lambda item: item[1].header_offset)


def check_zip_member(path: Path, name: str, info: zipfile.ZipInfo) -> None:
    """Refuse a member that is encrypted or packed by an exotic method.

    Raises:
        SourceError: It is.
    """
    if info.flag_bits & _ZIP_ENCRYPTED:
        raise SourceError(f"{path}: {name} is encrypted; repack the archive without a password")
    if info.compress_type not in _ZIP_METHODS:
        raise SourceError(
            f"{path}: {name} is packed by method {info.compress_type}, expected stored or deflated; repack it"
        )


def zip_name(info: zipfile.ZipInfo) -> str:
    """The name as text. Without the flag for UTF-8 it may still be UTF-8: many tools forget the flag."""
    raw = info.filename.encode("utf-8" if info.flag_bits & _ZIP_NAME_IS_UTF8 else "cp437")
    return printable(raw.replace(b"\\", b"/"))  # some tools write backslashes


def _read_tar(
    path: Path, bounds: DownloadParams, wanted: Callable[[str], bool], start: bytes
) -> Iterator[Member]:
    """Read the tar as a stream: once, forwards, every read bounded."""
    try:
        with open_packed(path, start) as unpacked:
            stream = BoundedStream(unpacked, path, bounds)
            with tarfile.open(
                fileobj=cast("IO[bytes]", stream), mode="r:", errors="surrogateescape"
            ) as archive:
                yield from _read_tar_members(path, archive, stream, bounds, wanted)
            stream.drain()
    except DAMAGE as error:
        refuse_damage(path, "tar", error)


def _read_tar_members(
    path: Path,
    archive: tarfile.TarFile,
    stream: BoundedStream,
    bounds: DownloadParams,
    wanted: Callable[[str], bool],
) -> Iterator[Member]:
    count = 0
    for name, info in _tar_members(path, archive, stream, bounds):
        count += 1
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            refuse_kind(path, name, "a link" if info.issym() or info.islnk() else "a special member")
        if info.size < 0 or wanted(name):
            check_size(path, name, info.size, bounds)
            stream.seek(info.offset_data)
            content = stream.read_content(info.size)
            if len(content) != info.size:
                raise EOFError(f"{name} has {len(content)} bytes of {info.size}")
            yield Member(name, content)
    # tarfile stops without a word at a damaged or missing header: only the end mark is an end.
    if stream.last_read != END_OF_ARCHIVE:
        raise EOFError(f"no end mark after member {count}")


def _tar_members(
    path: Path, archive: tarfile.TarFile, stream: BoundedStream, bounds: DownloadParams
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """All members with their names, checked, one after the other."""
    count = 0
    while (info := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # it keeps every header otherwise
        stream.next_member()
        count += 1
        check_count(path, count, bounds)
        if len(info.pax_headers) > MAX_TAR_RECORDS:
            raise tarfile.HeaderError(f"more than {MAX_TAR_RECORDS:,} records in the headers of a member")
        name = printable(info.name.encode("utf-8", "surrogateescape"))
        check_name(path, name)
        yield name, info


def tar_members(
    path: Path, unpacked: IO[bytes], bounds: DownloadParams
) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """Members of a tar with what their content is read from, one after the other; damage is the caller's.

    Raises:
        SourceError: Over a bound, or a name leads out.
    """
    stream = BoundedStream(unpacked, path, bounds)
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:", errors="surrogateescape") as archive:
        for name, info in _tar_members(path, archive, stream, bounds):
            yield name, info, archive


def open_packed(path: Path, start: bytes) -> IO[bytes]:
    """Open a file that may be packed by gzip, bzip2 or xz, at its unpacked bytes."""
    for known, opener in ((_GZIP_START, gzip.open), (_BZIP2_START, bz2.open), (_XZ_START, lzma.open)):
        if start.startswith(known):
            # They read headers of 512 bytes by several calls in Python each; a buffer does it in C.
            return io.BufferedReader(cast("io.RawIOBase", opener(path, "rb")), _BUFFER_BYTES)
    return path.open("rb")


def refuse_damage(path: Path, kind: str, error: BaseException) -> NoReturn:
    """Say that a source is damaged.

    Raises:
        SourceError: Always.
    """
    reason = " ".join(str(error).split()) or type(error).__name__
    raise SourceError(
        f"{path}: not a readable {kind} archive ({reason}); it is damaged or cut short, or of another "
        "kind (expected zip, tar, tar.gz, tar.bz2, tar.xz or a folder): fetch it again"
    ) from error
