"""Image files to 48x48 grey: one rule, and a refusal where it would be a guess."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from ferflow.data.images import decode_face, to_grey_face
from ferflow.errors import BadImageError
from tests.source_files import encoded, face, huge_png

MAX_PIXELS = 1_000_000


def decode(content: bytes) -> np.ndarray:
    return decode_face(content, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_decode_face_keeps_the_pixels_of_a_grey_48_px_image(suffix) -> None:
    decoded = decode(encoded(face(1), suffix))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, face(1))


def test_decode_face_reads_a_grey_jpeg_as_other_libraries_do() -> None:
    content = encoded(face(1))
    np.testing.assert_array_equal(decode(content), np.asarray(Image.open(io.BytesIO(content))))


def test_decode_face_weighs_colours_by_luma() -> None:
    colour = np.zeros((48, 48, 3), np.uint8)
    colour[:16, :, 0], colour[16:32, :, 1], colour[32:, :, 2] = 255, 255, 255  # blue, green, red
    grey = decode(encoded(colour, ".png"))
    assert [int(grey[row, 0]) for row in (0, 20, 40)] == [29, 150, 76]


@pytest.mark.parametrize("shape", [(96, 96), (24, 24), (48, 100), (301, 48), (1, 1), (60, 60, 3)])
def test_decode_face_brings_every_size_to_48_px(shape) -> None:
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    assert decode(encoded(image, ".png")).shape == (48, 48)


def test_to_grey_face_takes_the_centred_square() -> None:
    wide = np.hstack([np.zeros((48, 10), np.uint8), face(3), np.zeros((48, 10), np.uint8)])
    np.testing.assert_array_equal(to_grey_face(wide), face(3))
    np.testing.assert_array_equal(to_grey_face(wide.T), face(3).T)


def test_to_grey_face_averages_where_it_shrinks() -> None:
    large = np.random.default_rng(4).integers(0, 256, (144, 144), dtype=np.uint8)
    means = large.reshape(48, 3, 48, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(to_grey_face(large), means, atol=0.51)


def test_decode_face_applies_exif_orientation() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    half_dark = np.repeat([[0], [255]], 24, axis=0).repeat(48, axis=1).astype(np.uint8)  # dark on top
    Image.fromarray(half_dark).save(buffer, "JPEG", exif=exif, quality=95)
    turned = decode(buffer.getvalue())
    assert turned[:, :20].mean() > 200  # the top has become the right side
    assert turned[:, 28:].mean() < 50


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_decode_face_reads_every_8_bit_png_mode(mode) -> None:
    image = Image.new(mode, (48, 48), 1 if mode == "1" else None)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    expected = 255 if mode == "1" else 0
    assert (decode(buffer.getvalue()) == expected).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("num_kept", [3, 10, 20, 30, 400, 1500, -2])
def test_decode_face_refuses_what_was_cut_short(suffix, num_kept) -> None:
    with pytest.raises(BadImageError):
        decode(encoded(face(5), suffix)[:num_kept])


def test_decode_face_names_a_missing_jpeg_end() -> None:
    with pytest.raises(BadImageError, match="end marker of the JPEG is missing"):
        decode(encoded(face(5))[:-2])


def test_decode_face_does_not_take_a_thumbnails_end_for_the_images() -> None:
    content = encoded(face(5))
    thumbnail = encoded(face(6)[:16, :16].copy())
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    np.testing.assert_array_equal(decode(content[:2] + segment + content[2:]), decode(content))
    with pytest.raises(BadImageError, match="end marker"):
        decode(content[:2] + segment + content[2:-2])


def test_decode_face_refuses_a_png_with_a_wrong_checksum() -> None:
    content = bytearray(encoded(face(5), ".png"))
    content[len(content) // 2] ^= 1
    with pytest.raises(BadImageError, match="checksum of PNG chunk b'IDAT'"):
        decode(bytes(content))


def test_decode_face_refuses_a_huge_claim_before_decoding() -> None:
    with pytest.raises(BadImageError, match=r"40000x25000 pixels.*max_image_pixels"):
        decode(huge_png())
    jpeg = bytearray(encoded(face(5)))
    frame = jpeg.find(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, frame + 5, 65_000, 65_000)
    bitmap = bytearray(encoded(face(5), ".bmp"))
    struct.pack_into("<ii", bitmap, 18, 60_000, -60_000)
    for content in (jpeg, bitmap):
        with pytest.raises(BadImageError, match=r"6[05]000x6[05]000"):
            decode(bytes(content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"hello", "not a JPEG, PNG, BMP"),
        (b"%PDF-1.7", "a PDF; not a JPEG, PNG, BMP"),
        (b"GIF89a" + bytes(100), "claims 0x0 pixels"),
        (b"\xff\xd8\xff\xd9" + bytes(9), "no marker|no frame"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
    ],
    ids=["empty", "text", "pdf", "gif of zeros", "no frame", "png without chunks"],
)
def test_decode_face_names_the_reason(content, reason) -> None:
    with pytest.raises(BadImageError, match=reason):
        decode(content)


def test_decode_face_refuses_a_png_whose_data_end_early() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = zlib.compress((b"\0" + bytes(48)) * 20)  # of 48
    header = struct.pack(">IIBBBBB", 48, 48, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(BadImageError):
        decode(png)


def test_decode_face_survives_random_damage() -> None:
    chance = np.random.default_rng(8)
    for suffix in (".jpg", ".png", ".bmp"):
        whole = encoded(face(9), suffix)
        num_refused = 0
        for _ in range(100):
            damaged = bytearray(whole)
            damaged[chance.integers(len(damaged))] ^= 1 << int(chance.integers(8))
            try:
                assert decode(bytes(damaged)).shape == (48, 48)
            except BadImageError:
                num_refused += 1
        if suffix == ".png":  # the only one of them with checksums
            assert num_refused == 100


def test_decode_face_is_deterministic_for_colour_photos() -> None:
    photo = cv2.GaussianBlur(
        np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8), (5, 5), 0
    )
    content = encoded(photo)
    np.testing.assert_array_equal(decode(content), decode(content))
    expected = to_grey_face(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))
    np.testing.assert_array_equal(decode(content), expected)
