"""Tests of TIFF files: the header says what is refused before a pixel is decoded."""

from __future__ import annotations

import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest

from ferflow.data.images import BadImageError
from ferflow.data.tiff import decode_tiff, is_tiff


def _tiff(picture) -> bytes:
    return cv2.imencode(".tiff", picture)[1].tobytes()


def _big_endian(pixels: np.ndarray) -> bytes:
    """An uncompressed grey TIFF as Motorola's byte order has it, which OpenCV does not write."""
    height, width = pixels.shape
    entries = [(256, 3, width), (257, 3, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    entries += [(273, 4, 0), (277, 3, 1), (278, 3, height), (279, 4, pixels.size)]
    start = 8 + 2 + 12 * len(entries) + 4
    directory = struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        value = start if tag == 273 else value
        directory += struct.pack(">HHIHxx" if kind == 3 else ">HHII", tag, kind, 1, value)
    return b"MM\0*" + struct.pack(">I", 8) + directory + b"\0" * 4 + pixels.tobytes()


@pytest.mark.parametrize("shape", [(60, 50), (60, 50, 3)], ids=["grey", "colour"])
def test_pixels_come_as_they_were_written(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    assert is_tiff(_tiff(picture))
    assert np.array_equal(decode_tiff(_tiff(picture), max_pixels=3000), picture)


def test_both_byte_orders_are_read():
    picture = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)

    assert np.array_equal(decode_tiff(_big_endian(picture), max_pixels=600), picture)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_tiff(np.zeros((60, 51), np.uint8)), "claims 51x60 pixels, expected 1 to 3000"),
        (_tiff(np.zeros((9, 9), np.uint16)), "16 bits a channel"),
        (b"II*\0", "cut short inside its header"),
        (b"II*\0\xff\xff\xff\x7f", "cut short inside its header"),
        (b"II*\0\x08\0\0\0\0\0", "claims 0x0 pixels"),
        (_big_endian(np.zeros((40, 40), np.uint8))[:-1500], "cannot be decoded"),
    ],
    ids=["too large", "16 bits", "start alone", "directory outside", "no entry", "pixels missing"],
)
def test_what_cannot_be_used_is_refused_with_a_reason(content, reason):
    with pytest.raises(BadImageError, match=reason):
        decode_tiff(content, max_pixels=3000)


def test_cmyk_is_refused():
    content = _big_endian(np.zeros((4, 4), np.uint8)).replace(
        struct.pack(">HHIH", 262, 3, 1, 1), struct.pack(">HHIH", 262, 3, 1, 5)
    )
    with pytest.raises(BadImageError, match="CMYK"):
        decode_tiff(content, max_pixels=100)


def test_any_cut_of_a_file_is_a_picture_or_a_reason():
    content = _tiff(np.arange(400, dtype=np.uint16).astype(np.uint8).reshape(20, 20))
    shapes = []
    for end in range(4, len(content), 3):
        with suppress(BadImageError):
            shapes.append(decode_tiff(content[:end], max_pixels=400).shape)

    assert set(shapes) <= {(20, 20)}
