"""Headers of picture files: what a file claims is read, bounded and checked before a decoder sees it.

A decoder must never read a file in another way than it was read here. So JPEG is taken in the strict
grammar that libjpeg knows (a byte that libjpeg would skip is a refusal, not a guess), PNG is passed on
without the chunks that hold no pixels, and the tags of a TIFF may neither repeat nor overlap. The size
that the decoder itself reads is compared with the one of the header afterwards; see `pictures`.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from ferflow.data.decoding.tiff import TiffError, orientation_of, read_tags
from ferflow.errors import BadImageError

KINDS = ("JPEG", "PNG", "BMP", "WebP", "TIFF", "GIF", "AVIF", "HEIC")

# Of a file: segments of a JPEG (fill bytes among them), its scans, chunks of a PNG.
MOST_SEGMENTS, MOST_SCANS, MOST_CHUNKS = 4096, 100, 100_000

_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
# Frames that libjpeg decodes: baseline, extended, progressive, and the same with arithmetic coding.
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_JPEG_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})
# Tables, restart interval, number of lines, application data, comments.
_JPEG_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
# What ends the bytes of a scan: any marker that libjpeg knows but the restarts inside of it.
_JPEG_BEHIND_SCAN = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_EXIF_START = b"Exif\0\0"
_ADOBE, _ADOBE_START = 0xEE, b"Adobe"

_PNG_START = b"\x89PNG\r\n\x1a\n"
# The chunks that hold pixels; the rest is text, profiles and animation.
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_HEADER_BYTES = 13
_BMP_CORE_HEADER_BYTES = 12
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_MOST_BRANDS = 64

# What people take for a picture, by its first bytes.
_STRANGERS = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\xff\x4f\xff\x51": "a JPEG 2000",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\xff\x0a": "a JPEG XL",
    b"II+\0": "a BigTIFF",
    b"MM\0+": "a BigTIFF",
    b"<svg": "an SVG drawing",
    b"<!DO": "a web page",
    b"<!do": "a web page",
    b"<htm": "a web page",
    b"<?xm": "XML",
    b"PK\x03\x04": "a zip archive",
    b"version https://git-lfs": "a Git LFS pointer, not the file",
}


class Header(NamedTuple):
    """What a file claims.

    Attributes:
        kind: One of `KINDS`.
        width: As stored, before orientation; 0 where only the decoder can say (AVIF, HEIC).
        height: The same.
        bits: The bits of one channel; 8 where the format has no other.
        channels: 1 grey, 3 colour, 4 CMYK; 3 where it does not matter.
        orientation: EXIF's, 1-8; 1 where the decoder applies it itself.
        is_inverted: CMYK stored as Adobe does, 255 for no ink.
        content: The bytes that the decoder gets.
    """

    kind: str
    width: int
    height: int
    content: bytes
    bits: int = 8
    channels: int = 3
    orientation: int = 1
    is_inverted: bool = False


def read_header(content: bytes) -> Header:
    """Read what a picture file claims.

    Args:
        content: The bytes of the file.

    Raises:
        BadImageError: The file is empty, of no known format, cut short or damaged in its structure, or of
            more parts than a picture has.
    """
    if not content:
        raise BadImageError("empty (0 bytes)")
    try:
        if content.startswith(_JPEG_START):
            return _read_jpeg(content)
        if content.startswith(_PNG_START):
            return _read_png(content)
        if content.startswith(b"BM"):
            return _read_bmp(content)
        if content[:3] == b"GIF" and content[3:6] in (b"87a", b"89a"):
            width, height = struct.unpack_from("<HH", content, 6)
            return Header("GIF", width, height, content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return Header("WebP", *_webp_size(content), content)
        if content[:4] in _TIFF_STARTS:
            return _read_tiff(content)
        if content[4:8] == b"ftyp":
            return Header(_kind_by_brand(content), 0, 0, content)
    except (struct.error, IndexError):
        raise BadImageError("cut short inside its header") from None
    raise BadImageError(_unknown(content))


def _unknown(content: bytes) -> str:
    stripped = content[:64].lstrip()
    found = next((name for start, name in _STRANGERS.items() if stripped.startswith(start)), None)
    known = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
    return f"{f'{found}; ' if found else ''}not a {known}; convert it or take it out"


def _read_jpeg(content: bytes) -> Header:
    """Walk the segments up to the first scan as libjpeg does, then the scans up to the end marker."""
    frame: tuple[int, int, int, int] | None = None
    orientation, is_inverted = 1, False
    position = 2
    for _ in range(MOST_SEGMENTS):
        if content[position] != 0xFF:
            raise BadImageError("damaged: no marker where a JPEG segment should start")
        marker = content[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        position += 2
        if marker in _JPEG_WITHOUT_LENGTH:
            continue
        if marker in _JPEG_FRAMES:
            if frame is not None:
                raise BadImageError("damaged: two frame headers in a JPEG")
            frame = struct.unpack_from(">BHHB", content, position + 2)
        elif marker == _JPEG_SCAN:
            break
        elif marker in _JPEG_OTHER_FRAMES:
            raise BadImageError(f"a JPEG of a rare kind (frame {marker:02X}); convert it")
        elif marker not in _JPEG_SEGMENTS:
            raise BadImageError(f"damaged: no marker of a JPEG segment (FF {marker:02X})")
        (length,) = struct.unpack_from(">H", content, position)
        if length < 2:
            raise BadImageError("damaged: a JPEG segment of no length")
        if marker == 0xE1 and orientation == 1 and content.startswith(_EXIF_START, position + 2):
            orientation = orientation_of(content[position + 8 : position + length])
        elif marker == _ADOBE and content.startswith(_ADOBE_START, position + 2):
            is_inverted = True
        position += length
    else:
        raise BadImageError(f"a JPEG of more than {MOST_SEGMENTS:,} segments; convert it")
    if frame is None:
        raise BadImageError("damaged: no frame header before the JPEG scan")
    _check_scans(content, position)
    bits, height, width, channels = frame
    if not height:
        raise BadImageError("a JPEG that tells its height behind its lines, as scanners do; convert it")
    return Header("JPEG", width, height, content, bits, channels, orientation, is_inverted)


def _check_scans(content: bytes, position: int) -> None:
    """Walk from the first scan to the end marker; what follows it, as a moving photo's video, is no part.

    Decoders fill up a JPEG that was cut short with grey, and each scan costs them a pass over all pixels.

    Args:
        content: The bytes of the file.
        position: Where the length of the first scan's header is.

    Raises:
        BadImageError: There is no end marker, or there are too many scans or segments.
    """
    num_scans = 1
    for _ in range(MOST_SEGMENTS):
        (length,) = struct.unpack_from(">H", content, position)
        found = _JPEG_BEHIND_SCAN.search(content, position + length)
        if found is None:
            raise BadImageError("cut short: the end marker of the JPEG is missing")
        (marker,) = found[1]
        if marker == _JPEG_END:
            return
        num_scans += marker == _JPEG_SCAN
        if num_scans > MOST_SCANS:
            raise BadImageError(f"a JPEG of more than {MOST_SCANS} scans; convert it")
        position = found.end()
    raise BadImageError(f"a JPEG of more than {MOST_SEGMENTS:,} segments; convert it")


def _read_png(content: bytes) -> Header:
    """Walk all chunks with their checksums up to the end chunk, as decoders may not insist on it."""
    width, height, bits, _ = struct.unpack_from(">IIBB", content, 16)
    orientation = 1
    kept: list[bytes] = [_PNG_START]
    is_pure = True
    position, kind = len(_PNG_START), b""
    for _ in range(MOST_CHUNKS):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        (expected,) = struct.unpack_from(">I", content, end)
        chunk = memoryview(content)[position + 4 : end]
        if zlib.crc32(chunk) != expected:
            raise BadImageError(f"damaged: wrong checksum of PNG chunk {kind!r}")
        is_first = position == len(_PNG_START)
        if is_first != (kind == b"IHDR") or (is_first and length != _PNG_HEADER_BYTES):
            raise BadImageError("damaged: the PNG does not start with its only header chunk")
        if kind in _PNG_PIXELS:
            kept.append(content[position : end + 4])
        else:
            is_pure = False
            if kind == b"eXIf":
                orientation = orientation_of(bytes(chunk[4:]))
        position = end + 4
        if kind == b"IEND":
            break
    else:
        raise BadImageError(f"a PNG of more than {MOST_CHUNKS:,} chunks; convert it")
    pixels = content if is_pure else b"".join(kept)
    return Header("PNG", width, height, pixels, bits, orientation=orientation)


def _read_bmp(content: bytes) -> Header:
    (header_bytes,) = struct.unpack_from("<I", content, 14)
    layout = "<HH" if header_bytes == _BMP_CORE_HEADER_BYTES else "<ii"
    width, height = struct.unpack_from(layout, content, 18)
    return Header("BMP", abs(width), abs(height), content)  # negative: stored top to bottom


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height of the canvas, whose memory the decoder takes when it opens the file."""
    kind = content[12:16]
    if kind == b"VP8X":
        wide, high = content[24:27], content[27:30]
        if len(high) < 3:
            raise IndexError
        return 1 + int.from_bytes(wide, "little"), 1 + int.from_bytes(high, "little")
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", content, 21)
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BadImageError(f"damaged: a WebP that starts with chunk {kind!r}")


def _read_tiff(content: bytes) -> Header:
    try:
        tags = read_tags(content)
    except TiffError as error:
        raise BadImageError(str(error)) from None
    if tags.is_thumbnail:
        raise BadImageError(
            "a TIFF whose first picture is a thumbnail, as cameras' raw files have; convert it"
        )
    return Header("TIFF", tags.width, tags.height, content, tags.bits)


def _kind_by_brand(content: bytes) -> str:
    (length,) = struct.unpack_from(">I", content, 0)
    end = min(length, len(content), 16 + 4 * _MOST_BRANDS)
    brands = {content[8:12], *(content[place : place + 4] for place in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIC"
    name = content[8:12].decode("ascii", "replace").strip()
    raise BadImageError(f"a video or another file of brand {name!r}, not a picture; take it out")
