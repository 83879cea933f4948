"""7z archives by py7zr, and stored RAR archives by its public format, as no free program writes them."""

from __future__ import annotations

import stat
import struct
import zlib
from pathlib import Path

import py7zr

from tests.source_files import Files

_RAR4_LINK = 0o777 | stat.S_IFLNK


def write_7z(path: Path, files: Files, *, password: str | None = None) -> Path:
    """Write files into a solid 7z."""
    with py7zr.SevenZipFile(path, "w", password=password) as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return path


def rename_in_7z(path: Path, files: Files, old: str, new: str) -> Path:
    """A 7z in whose plain list of names one is another of the same length, with right checksums."""
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.set_encoded_header_mode(False)
        for name, content in files.items():
            archive.writestr(content, name)
    content = path.read_bytes()
    offset, size = struct.unpack("<QQ", content[12:28])
    header = content[32 + offset : 32 + offset + size].replace(
        old.encode("utf-16-le"), new.encode("utf-16-le")
    )
    start = struct.pack("<QQI", offset, size, zlib.crc32(header))
    path.write_bytes(
        content[:8] + struct.pack("<I", zlib.crc32(start)) + start + content[32 : 32 + offset] + header
    )
    return path


def write_rar5(path: Path, files: Files, *, method: int = 0, has_end: bool = True) -> Path:
    """Write files into a RAR 5; `method` is what their headers claim, they are stored all the same."""
    blocks = [b"Rar!\x1a\x07\x01\x00", _block5(_number(1) + _number(0) + _number(0))]
    for name, content in files.items():
        called = name.encode()
        head = (
            *(
                _number(2),
                _number(2),
                _number(len(content)),
                _number(4),
                _number(len(content)),
                _number(0o100644),
            ),
            *(struct.pack("<I", zlib.crc32(content)), _number(method << 7), _number(1)),
            *(_number(len(called)), called),
        )
        blocks += [_block5(b"".join(head)), content]
    if has_end:
        blocks.append(_block5(_number(5) + _number(0) + _number(0)))
    path.write_bytes(b"".join(blocks))
    return path


def write_rar4(path: Path, files: Files, *, link: str = "", flags: int = 0) -> Path:
    """Write files, and a link called `link`, into a RAR 4; `flags` are added to those of each file."""
    blocks = [b"Rar!\x1a\x07\x00", _block4(0x73, 0, bytes(6))]
    for name, content in files.items() if not link else [*files.items(), (link, b"/etc/passwd")]:
        called = name.encode()
        mode = _RAR4_LINK if name == link else 0o100644
        head = struct.pack(
            "<IIBIIBBHI", len(content), len(content), 3, zlib.crc32(content), 0, 29, 0x30, len(called), mode
        )
        blocks += [_block4(0x74, 0x8000 | flags, head + called), content]
    blocks.append(_block4(0x7B, 0x4000, b""))
    path.write_bytes(b"".join(blocks))
    return path


def _number(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _block5(head: bytes) -> bytes:
    sized = _number(len(head)) + head
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _block4(kind: int, flags: int, rest: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head
