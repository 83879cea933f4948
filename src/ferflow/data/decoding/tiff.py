"""Tags of a TIFF's first picture, and of the EXIF data in other formats, which are laid out like one.

A tag that comes twice, or values that lie outside the file or share their bytes, are refused: decoders
take memory for what is claimed, and do not agree on which of two tags counts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_KIND, _WIDTH, _HEIGHT, _BITS, _ORIENTATION, _SAMPLES = 254, 256, 257, 258, 274, 277
# Bytes of a value, by the type of an entry: 1-13 as in TIFF 6.0 and its supplements.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_FORMATS = {1: "B", 3: "H", 4: "I"}
_MOST_ENTRIES = 512
_MOST_SAMPLES = 8
_ORIENTATIONS = range(1, 9)
_ENTRY_BYTES = 12


class TiffError(Exception):
    """The tags cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Tags:
    """What the first picture of a TIFF claims.

    Attributes:
        width: In pixels.
        height: In pixels.
        bits: The bits of one channel, the largest.
        is_thumbnail: It is a reduced copy of another picture in the file.
    """

    width: int
    height: int
    bits: int
    is_thumbnail: bool


def read_tags(content: bytes) -> Tags:
    """Read and check the first directory of a TIFF.

    Raises:
        TiffError: It is cut short, has an entry twice, or values outside the file or on top of each other.
    """
    order = _ORDERS[content[:4]]
    try:
        entries = _entries(content, order)
        width, height = (_numbers(content, order, entries, tag, 1) for tag in (_WIDTH, _HEIGHT))
        bits = _numbers(content, order, entries, _BITS, _MOST_SAMPLES) or (1,)
        samples = _numbers(content, order, entries, _SAMPLES, 1) or (1,)
        kind = _numbers(content, order, entries, _KIND, 1) or (0,)
    except struct.error:
        raise TiffError("cut short inside its header") from None
    if not width or not height:
        raise TiffError("damaged: a TIFF without its width or height")
    if samples[0] > _MOST_SAMPLES:
        raise TiffError(f"a TIFF of {samples[0]} channels; convert it to grey or RGB")
    return Tags(width[0], height[0], max(bits), bool(kind[0] & 1))


def orientation_of(exif: bytes) -> int:
    """EXIF's orientation: 1 (upright) to 8.

    Args:
        exif: The data without `Exif` and two zeros before them; 1 is answered where they are damaged.
    """
    order = _ORDERS.get(exif[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (num_entries,) = struct.unpack_from(f"{order}H", exif, directory)
        for number in range(num_entries):
            place = directory + 2 + _ENTRY_BYTES * number
            tag, kind, _ = struct.unpack_from(f"{order}HHI", exif, place)
            if tag == _ORIENTATION and kind in (3, 4):
                (value,) = struct.unpack_from(f"{order}{_FORMATS[kind]}", exif, place + 8)
                return value if value in _ORIENTATIONS else 1
    except struct.error:
        return 1
    return 1


def _entries(content: bytes, order: str) -> dict[int, tuple[int, int, int]]:
    """Tag to type, count and place of its values."""
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (num_entries,) = struct.unpack_from(f"{order}H", content, directory)
    if num_entries > _MOST_ENTRIES:
        raise TiffError(f"a TIFF of {num_entries:,} tags, more than {_MOST_ENTRIES}; convert it")
    entries: dict[int, tuple[int, int, int]] = {}
    num_bytes = 0
    for number in range(num_entries):
        place = directory + 2 + _ENTRY_BYTES * number
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, place)
        if tag in entries:
            raise TiffError(f"damaged: tag {tag} comes twice in the TIFF")
        size = count * _BYTES.get(kind, 1)
        start = place + 8
        if size > 4:  # Longer values lie elsewhere.
            (start,) = struct.unpack_from(f"{order}I", content, start)
            num_bytes += size
            if start + size > len(content):
                raise TiffError("cut short: values of a TIFF tag lie outside the file")
        entries[tag] = kind, count, start
    if num_bytes > len(content):
        raise TiffError("damaged: TIFF tags claim more bytes than the file has")
    return entries


def _numbers(
    content: bytes, order: str, entries: dict[int, tuple[int, int, int]], tag: int, most: int
) -> tuple[int, ...]:
    """The values of a tag of whole numbers; empty where there is none."""
    if tag not in entries:
        return ()
    kind, count, start = entries[tag]
    if kind not in _FORMATS or not 1 <= count <= most:
        raise TiffError(f"damaged: TIFF tag {tag} is no whole number of 1 to {most} values")
    return struct.unpack_from(f"{order}{count}{_FORMATS[kind]}", content, start)
