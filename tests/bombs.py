"""Sources that ask for far more than they are: each is to end as one message, in little memory and time.

`BOMBS` maps a name to how the source is built and what the message must say. A builder returns the keys
of section `download` that lead to it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.source_files import encoded, face, layout, write_tar

Changes = dict[str, Any]
_NAME = "train/happy/n.jpg"


@dataclass(frozen=True)
class Bomb:
    """How to build it, and what must be said of it."""

    build: Callable[[Path], Changes]
    says: tuple[str, ...]


def _archive(path: Path) -> Changes:
    return {"source": "archive", "path": str(path)}


def _header(size: bytes, *, kind: bytes = tarfile.REGTYPE, name: str = _NAME) -> bytes:
    """A tar header with a size field of 12 bytes, and the right checksum."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[: tarfile.BLOCKSIZE])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax(records: bytes, *, kind: bytes = tarfile.XHDTYPE) -> bytes:
    padded = records + b"\0" * (-len(records) % tarfile.BLOCKSIZE)
    return _header(b"%011o\0" % len(records), kind=kind) + padded


def _record(key: str, value: str) -> bytes:
    rest = len(f" {key}={value}\n")
    size = rest + len(str(rest + len(str(rest))))
    return f"{size} {key}={value}\n".encode()


@cache
def _packed_zeros() -> bytes:
    """64 MiB of zeros, which take half a second to pack."""
    return bz2.compress(bytes(64 << 20))


def _followed_by_zeros(head: bytes, *, gibibytes: int = 2) -> Callable[[Path], Changes]:
    """A tar.bz2 of a head and zeros, 1.3 kB for each 64 MiB of them."""

    def build(folder: Path) -> Changes:
        path = folder / "data.tar.bz2"
        path.write_bytes(bz2.compress(head) + _packed_zeros() * (16 * gibibytes))
        return _archive(path)

    return build


def _tar_of(content: bytes) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        path = folder / "data.tar.gz"
        path.write_bytes(gzip.compress(content + bytes(2 * tarfile.BLOCKSIZE)))
        return _archive(path)

    return build


def _many_records() -> bytes:
    return _pax(b"".join(_record(f"k{number:05}", "") for number in range(50_000))) + _header(b"%011o\0" % 0)


def _global_headers() -> bytes:
    """Each adds keys that all later members carry."""
    blocks = [
        _pax(b"".join(_record(f"k{block}-{n}", "v" * 40) for n in range(500)), kind=tarfile.XGLTYPE)
        for block in range(300)
    ]
    return b"".join(blocks) + _header(b"%011o\0" % 0)


def _sparse() -> bytes:
    """A sparse member of the old GNU format, with a chain of 40,000 blocks of its map."""
    first = bytearray(_header(b"%011o\0" % 0, kind=tarfile.GNUTYPE_SPARSE))
    first[482] = 1
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    block = bytearray((b"%011o\0" % 1) * 42 + b"\1")
    return bytes(first) + bytes(block.ljust(tarfile.BLOCKSIZE, b"\0")) * 40_000


def _name_among_5000(folder: Path) -> Changes:
    picture = encoded(face(0))
    files = {f"train/happy/{number}.jpg": picture for number in range(5000)} | layout()
    return _archive(write_tar(folder / "data.tar", files | {f"train/happy/{'n' * 60_000}.jpg": picture}))


def _zip_directory(folder: Path) -> Changes:
    """A zip of 1.4 million entries, 64 MB: an object for each would take over a gigabyte."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    number = 1_400_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, number * len(entry), 4, 0)
    with (folder / "data.zip").open("wb") as stream:
        stream.write(b"PK\3\4")
        for _ in range(14):
            stream.write(entry * (number // 14))
        stream.write(end)
    return _archive(folder / "data.zip")


def _zip_of_stored_zeros(folder: Path) -> Changes:
    """A zip whose members unpack to 3 GB; one is packed, the others are copies of it."""
    content = io.BytesIO()
    name = "train/happy/000.jpg"
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(16_000_000), compresslevel=1)
    packed, number = content.getvalue(), 200
    (start,) = struct.unpack_from("<I", packed, len(packed) - 6)
    names = [f"train/happy/{index:03}.jpg".encode() for index in range(number)]
    member, entry = packed[:start], bytearray(packed[start:-22])
    with (folder / "data.zip").open("wb") as stream:
        for other in names:
            stream.write(member.replace(name.encode(), other, 1))
        for index, other in enumerate(names):
            struct.pack_into("<I", entry, 42, index * len(member))
            stream.write(entry.replace(name.encode(), other, 1))
        size = number * len(entry)
        stream.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, size, number * len(member), 0))
    return _archive(folder / "data.zip")


def _csv(content: bytes) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        (folder / "fer2013.csv").write_bytes(content)
        return {"source": "csv", "path": str(folder / "fer2013.csv")}

    return build


_HEADER_LINE = b"emotion,pixels,Usage\n"


def _seven_zip(header: bytes, packed: bytes = b"") -> Callable[[Path], Changes]:
    """A 7z of a header with the right checksums."""

    def build(folder: Path) -> Changes:
        start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
        (folder / "data.7z").write_bytes(
            b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + packed + header
        )
        return _archive(folder / "data.7z")

    return build


def _packed_header_of_zeros(folder: Path) -> Changes:
    """A list of names that is packed, some hundred bytes, and unpacks to 4 GB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    packed = lzma.compress(bytes(64 << 20), lzma.FORMAT_RAW, filters=filters)
    size, unpacked = struct.pack("<Q", len(packed)), struct.pack("<Q", 4 << 30)
    streams = b"\x06\x00\x01\x09\xff" + size + b"\x00"  # where it lies
    coder = b"\x07\x0b\x01\x00\x01\x21\x21\x01\x10\x0c\xff" + unpacked + b"\x00"  # LZMA2
    return _seven_zip(b"\x17" + streams + coder + b"\x00", packed)(folder)


BOMBS: dict[str, Bomb] = {
    "7z: 2**40 files": Bomb(
        _seven_zip(b"\x01\x05\xff" + struct.pack("<Q", 1 << 40) + b"\x00\x00"), ("unpack it and give",)
    ),
    "7z: a list of 4 GB": Bomb(_packed_header_of_zeros, ("unpack it and give",)),
    "tar: size -1 in base 256": Bomb(_followed_by_zeros(_header(b"\xff" * 12)), ("claims -1 bytes",)),
    "tar: size -1 in pax": Bomb(
        _followed_by_zeros(_pax(_record("size", "-1")) + _header(b"%011o\0" % 0)), ("claims -1 bytes",)
    ),
    "tar: size far below zero": Bomb(
        _followed_by_zeros(_header(b"\xff" * 8 + b"\x00" * 4)), ("do not trust this archive",)
    ),
    "tar: size of 2**80": Bomb(
        _followed_by_zeros(_header(b"\x80" + b"\xff" * 11)), ("download.max_member_bytes",)
    ),
    "tar: a name of -1 bytes": Bomb(
        _followed_by_zeros(_header(b"\xff" * 12, kind=tarfile.GNUTYPE_LONGNAME)), ("not a readable tar",)
    ),
    "tar: a pax header of -1 bytes": Bomb(
        _followed_by_zeros(_header(b"\xff" * 12, kind=tarfile.XHDTYPE)), ("not a readable tar",)
    ),
    "tar: a pax header of a gigabyte": Bomb(
        _followed_by_zeros(_header(b"%011o\0" % (1 << 30), kind=tarfile.XHDTYPE)), ("bytes of headers",)
    ),
    "tar: digits without end": Bomb(_tar_of(_pax(b"1" * 900_000)), ("digits",)),
    "tar: 50,000 records": Bomb(_tar_of(_many_records()), ("records in the headers",)),
    "tar: 150,000 records for all members": Bomb(_tar_of(_global_headers()), ("headers",)),
    "tar: a sparse map without end": Bomb(_tar_of(_sparse()), ("bytes of headers",)),
    "tar: a name of 60,000 among 5,000": Bomb(_name_among_5000, ("characters, more than 512",)),
    "zip: 1.4 million entries": Bomb(_zip_directory, ("download.max_members",)),
    "zip: 3 GB of zeros": Bomb(_zip_of_stored_zeros, ("download.max_",)),
    "csv: 6 MB of newlines": Bomb(_csv(_HEADER_LINE + b"\n" * 6_000_000), ("download.max_members",)),
    "csv: nothing but newlines": Bomb(_csv(b"\n" * 6_000_000), ("emotion",)),
    "csv: a line of 20 MB": Bomb(_csv(_HEADER_LINE + b"ab," * 7_000_000), ("line 2 has more than",)),
    "csv: a header of 20 MB": Bomb(_csv(b"ab," * 7_000_000), ("line 1 has more than",)),
    "csv: a quote that is never closed": Bomb(_csv(_HEADER_LINE + b'0,"' + b"1 2 3\n" * 3_000_000), ("CSV",)),
}
