"""Whether the packed rows of a PNG are all there: Pillow shows black where they end early."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_START_BYTES = 8
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Left, top, step across, step down of the seven passes of an interlaced PNG (Adam7).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE_BYTES = 1 << 20


def has_all_rows(png: bytes) -> bool:
    """Whether the rows unpack to as many bytes as the header needs.

    Args:
        png: A PNG whose chunks were checked, see `ferflow.data.decoding.picture_header`.
    """
    width, height, bits, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", png, 16)
    bits_a_pixel = bits * _CHANNELS.get(colour, 1)
    passes = _PASSES if interlace else ((0, 0, 1, 1),)
    missing = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            missing += rows * (1 + -(-columns * bits_a_pixel // 8))
    unpacker = zlib.decompressobj()
    try:
        for packed in _packed(png):
            while packed and missing > 0:
                missing -= len(unpacker.decompress(packed, _PIECE_BYTES))
                packed = unpacker.unconsumed_tail
            if missing <= 0 or unpacker.eof:
                break
        return missing <= 0
    except zlib.error:
        return False


def _packed(png: bytes) -> Iterator[bytes]:
    position = _START_BYTES
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind == b"IDAT":
            yield png[position + 8 : position + 8 + length]
        position += 12 + length
