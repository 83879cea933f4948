"""Encoded image files to 48x48 grey faces, by one rule, with the header read before the pixels.

The rule: JPEG, PNG or BMP; 8 bits a channel; EXIF orientation applied; transparency ignored;
colour to grey by luma (ITU-R BT.601); the largest centred square; then resized to 48 px (by area
where it shrinks, bilinear where it grows). A grey image of 48x48 keeps its pixels exactly. What
could be turned into grey only by a guess (16 bits, CMYK) and what is damaged is refused.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from ferflow.data.store import Images
from ferflow.labels import IMAGE_SIZE

_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_BMP_START = b"BM"
# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN = 0xDA
_BMP_CORE_HEADER_BYTES = 12


class BadImageError(Exception):
    """An image file cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    bits: int  # of one channel
    channels: int


def decode_face(content: bytes, *, max_pixels: int) -> Images:
    """Decode an image file and bring it to the size and colour of the data set.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the header may claim.

    Returns:
        (48, 48) uint8, 0-255, grey.

    Raises:
        BadImageError: As of `decode_image`.
    """
    return to_grey_face(decode_image(content, max_pixels=max_pixels))


def decode_image(content: bytes, *, max_pixels: int, limit: str = "download.max_image_pixels") -> Images:
    """Decode an image file, upright, at its own size and colour.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the header may claim.
        limit: What the message calls `max_pixels`.

    Returns:
        (H, W) uint8 where the file is grey, else (H, W, 3), blue first.

    Raises:
        BadImageError: The file is empty, damaged, cut short, of an unknown format, larger than
            `max_pixels`, of 16 bits a channel, or CMYK.
    """
    _check_header(_read_header(content), max_pixels, limit)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise BadImageError(f"cannot be decoded ({error.err})") from error
    if image is None:
        raise BadImageError("cannot be decoded: damaged or cut short")
    return np.asarray(image, np.uint8)


def to_grey_face(image: Images) -> Images:
    """Colour to grey, centred square, 48 px: the part of the rule that concerns pixels.

    Args:
        image: (H, W) or (H, W, 3) uint8, blue first as OpenCV decodes.

    Returns:
        (48, 48) uint8.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    side = min(height, width)
    if height != width:
        top, left = (height - side) // 2, (width - side) // 2
        grey = grey[top : top + side, left : left + side]
    if side != IMAGE_SIZE:
        method = cv2.INTER_AREA if side > IMAGE_SIZE else cv2.INTER_LINEAR
        grey = cv2.resize(grey, (IMAGE_SIZE, IMAGE_SIZE), interpolation=method)
    return np.ascontiguousarray(grey, dtype=np.uint8)


def _check_header(header: _Header, max_pixels: int, limit: str) -> None:
    if header.width < 1 or header.height < 1:
        raise BadImageError(f"claims {header.width}x{header.height} pixels")
    if header.width * header.height > max_pixels:
        raise BadImageError(f"claims {header.width}x{header.height} pixels, more than {limit} {max_pixels}")
    if header.bits > 8:
        raise BadImageError(f"{header.bits} bits a channel, expected 8; convert it")
    if header.channels == 4:
        raise BadImageError("CMYK, expected grey or RGB; convert it")


def _read_header(content: bytes) -> _Header:
    if not content:
        raise BadImageError("empty (0 bytes)")
    try:
        if content.startswith(_JPEG_START):
            return _read_jpeg_header(content)
        if content.startswith(_PNG_START):
            return _read_png_header(content)
        if content.startswith(_BMP_START):
            return _read_bmp_header(content)
    except (struct.error, IndexError):
        raise BadImageError("cut short inside its header") from None
    raise BadImageError("not a JPEG, PNG or BMP; convert it or take it out")


def _read_jpeg_header(content: bytes) -> _Header:
    """Walk the segments up to the first scan, and see that an end marker follows it.

    Decoders fill up a JPEG that was cut short with grey. Inside a scan the bytes FF D9 cannot
    occur but as the end marker, and a thumbnail's own end lies before the scan.
    """
    header = None
    position = 2
    while True:
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
            bits, height, width, channels = struct.unpack_from(">BHHB", content, position + 2)
            header = _Header(width, height, bits, channels)
        if marker == _JPEG_SCAN:
            break
        (length,) = struct.unpack_from(">H", content, position)
        position += length
    if header is None:
        raise BadImageError("damaged: no frame header before the JPEG scan")
    if content.find(_JPEG_END, position) < 0:
        raise BadImageError("cut short: the end marker of the JPEG is missing")
    return header


def _read_png_header(content: bytes) -> _Header:
    """Walk all chunks with their checksums up to the end chunk, as decoders may not insist on it."""
    width, height, bits = struct.unpack_from(">IIB", content, 16)
    position, kind = len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        (expected,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(content[position + 4 : end]) != expected:
            raise BadImageError(f"damaged: wrong checksum of PNG chunk {kind!r}")
        if position == len(_PNG_START) and kind != b"IHDR":
            raise BadImageError("damaged: the PNG does not start with its header chunk")
        position = end + 4
    return _Header(width, height, bits, channels=3)  # a PNG has no CMYK


def _read_bmp_header(content: bytes) -> _Header:
    (header_bytes,) = struct.unpack_from("<I", content, 14)
    layout = "<HH" if header_bytes == _BMP_CORE_HEADER_BYTES else "<ii"
    width, height = struct.unpack_from(layout, content, 18)
    return _Header(abs(width), abs(height), bits=8, channels=3)  # negative: stored top to bottom
