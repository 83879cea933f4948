"""Tags of a TIFF: what they claim is checked before a decoder takes memory for it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from ferflow.data.decoding.pictures import decode_picture
from ferflow.data.decoding.tiff import orientation_of, read_tags
from ferflow.errors import BadImageError
from tests.data.picture_files import grey_tiff, saved, tiff_of

PICTURE = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)


def decode(content: bytes) -> np.ndarray:
    return decode_picture(content, max_pixels=600, limit="the limit of").pixels


@pytest.mark.parametrize("order", ["<", ">"], ids=["intel", "motorola"])
def test_both_byte_orders_are_read(order):
    content = grey_tiff(PICTURE, order=order)
    assert (read_tags(content).width, read_tags(content).height, read_tags(content).bits) == (30, 20, 8)
    np.testing.assert_array_equal(decode(content), PICTURE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (grey_tiff(np.zeros((20, 31), np.uint8)), "claims 31x20 pixels, more than the limit of 600"),
        (b"II*\0", "cut short inside its header"),
        (b"II*\0\xff\xff\xff\x7f", "cut short inside its header"),
        (b"II*\0\x08\0\0\0\0\0", "without its width or height"),
        (grey_tiff(PICTURE)[:-300], "damaged or cut short"),
        (grey_tiff(PICTURE, extra=((256, 4, 1, 60_000),)), "tag 256 comes twice"),
        (grey_tiff(PICTURE, extra=((700, 7, 10_000, 8),)), "lie outside the file"),
        (grey_tiff(PICTURE, extra=((700, 7, 700, 8), (701, 7, 700, 8))), "more bytes than the file has"),
        (grey_tiff(PICTURE, extra=((254, 4, 1, 1),)), "thumbnail"),
        (tiff_of([(256, 3, 1, 4), (257, 3, 1, 4), (277, 3, 1, 900)], bytes(16)), "900 channels"),
        (tiff_of([(256, 5, 1, 8), (257, 3, 1, 4)], bytes(16)), "tag 256 is no whole number"),
        (tiff_of([(tag, 3, 1, 4) for tag in range(256, 900)], bytes(16)), "644 tags, more than 512"),
        (b"II+\0\x08\0\0\0" + bytes(64), "a BigTIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_refused_with_a_reason(content, reason):
    with pytest.raises(BadImageError, match=reason):
        decode(content)


def test_exif_data_tell_the_orientation():
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010F], exif[0x0112] = "a camera", orientation
        data = exif.tobytes().removeprefix(b"Exif\0\0")
        assert orientation_of(data) == orientation
        assert {orientation_of(data[:end]) for end in range(len(data))} <= {1, orientation}
    assert orientation_of(b"") == 1
    wrong = struct.pack("<4sIHHHIHH", b"II*\0", 8, 1, 0x0112, 3, 1, 77, 0)
    assert orientation_of(wrong) == 1


def test_the_first_page_is_the_picture():
    pages = [Image.fromarray(PICTURE), Image.new("L", (30, 20))]
    content = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(decode(content), PICTURE)
