"""Pictures of every kind: the same pixels whatever they are stored in, bounded in what they cost."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from ferflow.data.decoding import pictures
from ferflow.data.decoding.pictures import Picture, decode_picture, read_frames
from ferflow.errors import BadImageError
from tests.data.picture_files import QUARTERS, files_of_all_kinds, gif_of, quarters, saved

FILES = files_of_all_kinds()
MAX_PIXELS = 1_000_000


def decode(content: bytes, *, max_pixels: int = MAX_PIXELS, by_opencv: bool = False) -> Picture:
    return decode_picture(content, max_pixels=max_pixels, limit="the limit of", by_opencv=by_opencv)


def levels(pixels: np.ndarray) -> list[int]:
    """The brightness of the four quarters."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    return [
        int(grey[row, column]) for row in (height // 4, -height // 4) for column in (width // 4, -width // 4)
    ]


@pytest.mark.parametrize("name", FILES)
def test_every_kind_shows_the_same_picture(name):
    for by_opencv in (False, True):
        picture = decode(FILES[name], by_opencv=by_opencv)
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.flags.writeable
        assert (picture.width, picture.height, picture.scale) == (64, 64, 1)
        tolerance = 0 if name.startswith(("png", "bmp", "gif")) else 6
        np.testing.assert_allclose(levels(picture.pixels), QUARTERS, atol=tolerance)


@pytest.mark.parametrize("name", FILES)
def test_every_cut_of_a_file_is_a_picture_or_a_reason(name):
    content = FILES[name]
    for end in np.linspace(1, len(content) - 1, 40).astype(int):
        with contextlib.suppress(BadImageError):
            assert decode(content[:end]).pixels.shape[:2] == (64, 64)


@pytest.mark.parametrize("name", FILES)
def test_a_size_above_the_limit_is_refused(name):
    with pytest.raises(BadImageError, match="64x64 pixels, more than the limit of 4095"):
        decode(FILES[name], max_pixels=4095)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_cameras_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    wide = Image.fromarray(quarters()).convert("RGB").resize((64, 48), Image.Resampling.NEAREST)
    content = saved(wide, kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if kind == "TIFF":  # Pillow turns it when it loads it.
        tagged = wide.copy()
        tagged.getexif()[0x0112] = orientation
        expected = ImageOps.exif_transpose(tagged)
    for by_opencv in (False, True):
        picture = decode(content, by_opencv=by_opencv)
        assert (picture.width, picture.height) == expected.size
        assert picture.pixels.shape[:2] == (expected.height, expected.width)
        np.testing.assert_allclose(levels(picture.pixels), levels(np.asarray(expected.convert("L"))), atol=8)


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_both_decoders_of_jpeg_give_the_same_pixels(sampling, scale, mode, monkeypatch):
    noise = np.random.default_rng(7).integers(0, 256, (203, 301, 3), dtype=np.uint8)
    soft = Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 3)).convert(mode)
    content = saved(soft, "JPEG", quality=85, subsampling=sampling)
    monkeypatch.setattr(pictures, "FULL_PIXELS", -(-203 * 301 // scale**2))
    by_pillow, by_opencv = decode(content), decode(content, by_opencv=True)
    assert (by_pillow.scale, by_pillow.width, by_pillow.height) == (scale, 301, 203)
    assert by_pillow.pixels.shape[:2] == (-(-203 // scale), -(-301 // scale))
    np.testing.assert_array_equal(by_pillow.pixels, by_opencv.pixels)


def test_a_large_picture_of_another_kind_is_reduced_once_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "FULL_PIXELS", 1024)
    for name in ("png", "png 16 bits", "webp"):
        picture = decode(FILES[name])
        assert (picture.width, picture.height, picture.scale) == (64, 64, 2)
        assert picture.pixels.shape[:2] == (32, 32)


def test_what_cannot_be_reduced_while_it_is_decoded_has_a_bound_of_its_own(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_WHOLE_PIXELS", 4000)
    decode(FILES["jpeg"])
    for name in ("png", "tiff", "gif", "avif"):
        with pytest.raises(
            BadImageError, match=r"64x64 pixels, more than the 4,000 of a .* convert it to JPEG"
        ):
            decode(FILES[name])


def test_real_numbers_have_no_known_range():
    with pytest.raises(BadImageError, match="32 bits a channel"):
        decode(saved(Image.new("F", (8, 8)), "TIFF"))


def test_a_heic_is_named_with_the_cure_where_its_library_is_absent(monkeypatch):
    # `None` in the table of modules is how Python itself marks what cannot be imported.
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadImageError, match=r"a HEIC.*ferflow\[heic\]"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))


def test_a_damaged_heic_is_named_with_the_cure():
    pytest.importorskip("pillow_heif")
    with pytest.raises(BadImageError, match=r"a HEIC that cannot be decoded: .*; convert it to JPEG"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))


def test_a_heic_is_read_upright_where_its_library_is_there():
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    heif = pillow_heif.from_pillow(Image.fromarray(quarters()).convert("RGB"))
    upright, turned = io.BytesIO(), io.BytesIO()
    heif.save(upright, quality=95)
    heif.save(turned, quality=95, exif=exif.tobytes())
    np.testing.assert_allclose(levels(decode(upright.getvalue()).pixels), QUARTERS, atol=6)
    first, second, third, fourth = QUARTERS
    np.testing.assert_allclose(
        levels(decode(turned.getvalue()).pixels), [third, first, fourth, second], atol=6
    )
    with pytest.raises(BadImageError, match="damaged or cut short"):
        decode(upright.getvalue()[:300])


def _with_segment(jpeg: bytes, number: int, segment: bytes) -> bytes:
    """A JPEG with a comment before one of its scans."""
    scans = [place for place in range(len(jpeg)) if jpeg[place : place + 2] == b"\xff\xda"]
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(segment)) + segment
    return jpeg[: scans[number]] + comment + jpeg[scans[number] :]


@pytest.mark.parametrize("by_opencv", [False, True])
@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive"])
def test_what_follows_the_end_of_a_jpeg_is_no_part_of_it(name, by_opencv):
    moving = FILES[name] + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 1000  # As phones append seconds of video.
    assert (decode(moving, by_opencv=by_opencv).pixels == decode(FILES[name]).pixels).all()


def test_marks_inside_of_segments_between_scans_are_none():
    jpeg = FILES["jpeg progressive"]
    assert (decode(_with_segment(jpeg, 2, b"\xff\xda" * 200)).pixels == decode(jpeg).pixels).all()
    hidden = _with_segment(jpeg, 2, b"\xff\xd9" * 2)
    with pytest.raises(BadImageError, match=r"cut short.*; take another copy"):
        decode(hidden[: hidden.index(b"\xff\xd9") + 40])


def test_a_jpeg_that_tells_its_height_behind_its_lines_is_named():
    jpeg = bytearray(FILES["jpeg"])
    place = jpeg.index(b"\xff\xc0") + 5
    height = bytes(jpeg[place : place + 2])
    jpeg[place : place + 2] = bytes(2)
    lines = b"\xff\xdc\x00\x04" + height
    with pytest.raises(BadImageError, match=r"tells its height behind its lines, .*; convert it"):
        decode(bytes(jpeg[:-2]) + lines + b"\xff\xd9")
    whole = decode(FILES["jpeg"][:-2] + lines + b"\xff\xd9")
    assert (whole.pixels == decode(FILES["jpeg"]).pixels).all()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_every_reason_names_a_way_on(name, share):
    content = FILES[name][: int(share * len(FILES[name]))]
    reasons = []
    for read in (decode, lambda cut: list(read_frames(cut, max_pixels=MAX_PIXELS, limit="the limit of"))):
        try:
            read(content)
        except BadImageError as error:
            reasons.append(str(error))
    assert all(re.search("; (take|convert|make|install)", reason) for reason in reasons), reasons


def test_frames_of_a_gif_come_with_their_times():
    shown = list(read_frames(gif_of([10, 120, 240]), max_pixels=MAX_PIXELS, limit="the limit of"))
    assert [seconds for seconds, _ in shown] == pytest.approx([0, 0.04, 0.08])
    assert [int(pixels.reshape(-1)[0]) for _, pixels in shown] == [10, 120, 240]


def test_frames_of_a_still_picture_are_the_picture():
    ((seconds, pixels),) = read_frames(FILES["png"], max_pixels=MAX_PIXELS, limit="the limit of")
    assert seconds == 0
    np.testing.assert_array_equal(pixels, decode(FILES["png"]).pixels)


def test_too_many_frames_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_FRAMES", 2)
    frames = read_frames(gif_of([10, 120, 240]), max_pixels=MAX_PIXELS, limit="the limit of")
    assert len([next(frames), next(frames)]) == 2
    with pytest.raises(BadImageError, match="more than 2 frames"):
        next(frames)


_PEAK = """
    import re, sys
    from ferflow.data.decoding.pictures import decode_picture
    content = open(sys.argv[1], "rb").read()
    picture = decode_picture(content, max_pixels=200_000_000, limit="", by_opencv=sys.argv[2] == "opencv")
    print(picture.width, picture.height, picture.scale, *picture.pixels.shape[:2])
    print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


@pytest.mark.parametrize("decoder", ["pillow", "opencv"])
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_a_phone_photo_of_50_megapixels_takes_less_than_600_mebibytes(decoder, progressive, tmp_path):
    row = np.random.default_rng(1).integers(0, 256, (64, 8160, 3), dtype=np.uint8)
    photo = np.tile(row, (96, 1, 1))[:6120]
    options = [cv2.IMWRITE_JPEG_QUALITY, 40, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    path = tmp_path / "photo.jpg"
    path.write_bytes(cv2.imencode(".jpg", photo, options)[1].tobytes())
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PEAK), path, decoder],
        capture_output=True,
        text=True,
        check=True,
    )
    size, peak = done.stdout.splitlines()
    assert size == "8160 6120 2 3060 4080"
    assert int(peak) < 600
    assert done.stderr == ""
