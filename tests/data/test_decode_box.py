"""The box: the same pixels as outside, and a picture made to hurt costs one message and one process."""

from __future__ import annotations

import sys
import time
import zlib

import numpy as np
import pytest

from ferflow.data.decoding import decode_box
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.decoding.pictures import decode_picture
from ferflow.data.images import decode_face
from ferflow.errors import BadImageError
from tests.data.picture_files import (
    files_of_all_kinds,
    gif_of,
    jpeg_behind_garbage,
    jpeg_of_many_scans,
    jpeg_that_claims,
    png_chunk,
    with_png_chunks,
)

FILES = files_of_all_kinds()
BOUNDS = {"max_pixels": 200_000_000, "limit": "the limit of"}


@pytest.fixture(scope="module")
def box():
    with DecodeBox() as running:
        yield running


def test_pictures_are_those_that_are_decoded_here(box):
    for name, content in FILES.items():
        inside, here = box.picture(content, **BOUNDS), decode_picture(content, **BOUNDS)
        assert (inside.width, inside.height, inside.scale) == (here.width, here.height, here.scale)
        np.testing.assert_array_equal(inside.pixels, here.pixels, err_msg=name)
        assert inside.pixels.flags.writeable


def test_faces_come_in_order_with_the_reasons_among_them(box, monkeypatch):
    monkeypatch.setattr(decode_box, "_BATCH_FILES", 5)
    contents = [FILES["png"], b"", *list(FILES.values())[:11], b"text"]
    answers = list(box.faces(enumerate(contents), max_pixels=10_000, limit="the limit of"))
    assert [number for number, _ in answers] == list(range(len(contents)))
    for number, answer in answers:
        if isinstance(answer, BadImageError):
            assert (number, str(answer)[:5]) in ((1, "empty"), (13, "not a"))
        else:
            np.testing.assert_array_equal(answer.pixels, decode_face(contents[number], max_pixels=10_000))
    assert sum(isinstance(answer, BadImageError) for _, answer in answers) == 2


def test_a_picture_that_takes_too_long_ends_its_process_and_no_other(monkeypatch):
    with DecodeBox(seconds=0.0) as box:  # Its start alone takes longer.
        with pytest.raises(BadImageError, match=r"takes more than 0 s"):
            box.picture(FILES["png"], **BOUNDS)
        box._seconds, box._patience = 20, 200
        assert box.picture(FILES["png"], **BOUNDS).width == 64


def test_a_batch_whose_process_is_lost_is_decoded_one_by_one():
    with DecodeBox() as box:
        whole = box._ask

        def lose_once(request, contents):
            if len(contents) > 1:
                box._workers[0].end() if box._workers else None
            return whole(request, contents)

        box.picture(FILES["png"], **BOUNDS)
        box._ask = lose_once
        answers = dict(box.faces(enumerate([FILES["png"], FILES["bmp"]]), **BOUNDS))
        assert {number: answer.pixels.shape for number, answer in answers.items()} == {
            0: (48, 48),
            1: (48, 48),
        }


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_picture_that_needs_too_much_memory_is_refused():
    with DecodeBox(memory=50_000_000) as box:
        with pytest.raises(BadImageError, match="memory"):
            box.picture(jpeg_that_claims(6000, 6000, progressive=True, colour=True), **BOUNDS)
        assert box.picture(FILES["png"], **BOUNDS).width == 64


def _bombs() -> dict[str, tuple[bytes, str]]:
    text = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(8_000_000)))
    return {
        "FF 00 before a marker": (jpeg_behind_garbage(b"\xff\x00", 32_000, 32_000), "no marker"),
        "a reserved marker": (jpeg_behind_garbage(b"\xff\x02", 32_000, 32_000), "no marker"),
        "many scans": (jpeg_of_many_scans(60_000), "more than 100 scans"),
        "many segments": (b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000, "more than 4,096 segments"),
        "fill bytes": (b"\xff\xd8" + b"\xff" * 5_000_000, "more than 4,096 segments"),
        "a gigapixel": (jpeg_that_claims(40_000, 25_000), "40000x25000 pixels"),
        "chunks of a PNG": (
            with_png_chunks(FILES["png"], png_chunk(b"zZZt", b"") * 100_001),
            "100,000 chunks",
        ),
        "texts of a PNG": (with_png_chunks(FILES["png"], text * 300), ""),
        "frames of a GIF": (gif_of([1] * 400 + [9], side=64), ""),
    }


@pytest.mark.parametrize("name", _bombs())
def test_a_picture_made_to_hurt_costs_one_message(box, name):
    content, reason = _bombs()[name]
    started = time.process_time()
    if reason:
        with pytest.raises(BadImageError, match=reason):
            box.picture(content, **BOUNDS)
    else:
        assert box.picture(content, **BOUNDS).width == 64
    assert time.process_time() - started < 5
