"""TIFF files as some collections of faces have them (JAFFE): the header is read before the pixels."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from ferflow.data.images import BadImageError
from ferflow.data.store import Images

_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
_WIDTH, _HEIGHT, _BITS, _COLOURS = 256, 257, 258, 262
_CMYK = 5
# Type of an entry to its struct format: bytes, 16 and 32 bits.
_FORMATS = {1: "B", 3: "H", 4: "I"}


def is_tiff(content: bytes) -> bool:
    """Whether the bytes start as a TIFF does."""
    return content[:4] in _STARTS


def decode_tiff(content: bytes, *, max_pixels: int) -> Images:
    """Decode the first picture of a TIFF at its own size and colour.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the header may claim.

    Returns:
        (H, W) uint8 where the file is grey, else (H, W, 3), blue first.

    Raises:
        BadImageError: The file is damaged, larger than `max_pixels`, of another depth than 8 bits a
            channel, or CMYK.
    """
    try:
        tags = _read_tags(content)
    except (struct.error, IndexError):
        raise BadImageError("cut short inside its header") from None
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    if width < 1 or height < 1 or width * height > max_pixels:
        raise BadImageError(f"claims {width}x{height} pixels, expected 1 to {max_pixels} in all")
    if tags.get(_BITS, 1) != 8 or tags.get(_COLOURS) == _CMYK:
        raise BadImageError(
            f"a TIFF of {tags.get(_BITS, 1)} bits a channel or CMYK, expected 8 bits, grey or RGB; convert it"
        )
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_ANYCOLOR)
    except cv2.error as error:
        raise BadImageError(f"cannot be decoded ({error.err})") from error
    finally:
        cv2.utils.logging.setLogLevel(before)
    if image is None:
        raise BadImageError("cannot be decoded: damaged or cut short")
    return np.asarray(image, np.uint8)


def _read_tags(content: bytes) -> dict[int, int]:
    """The first value of each entry of the first directory that is a whole number."""
    order = _STARTS[content[:4]]
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (num_entries,) = struct.unpack_from(f"{order}H", content, directory)
    tags = {}
    for place in range(directory + 2, directory + 2 + 12 * num_entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, place)
        if kind not in _FORMATS or count < 1:
            continue
        one = f"{order}{_FORMATS[kind]}"
        start = place + 8
        if count * struct.calcsize(one) > 4:  # Longer values lie elsewhere.
            (start,) = struct.unpack_from(f"{order}I", content, start)
        (tags[tag],) = struct.unpack_from(one, content, start)
    return tags
