"""Picture files of every kind, made here, and files made to hurt a decoder."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

# Brightness by quarter, top left, top right, bottom left, bottom right: no turn looks like another.
QUARTERS = (30, 90, 160, 230)
_SIDE = 64


def quarters(side: int = _SIDE) -> np.ndarray:
    """A grey (side, side) picture of four quarters of different brightness."""
    half = side // 2
    return np.array(QUARTERS, np.uint8).reshape(2, 2).repeat(half, axis=0).repeat(half, axis=1)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def files_of_all_kinds() -> dict[str, bytes]:
    """The quarters in every kind, depth and colour model that is read."""
    grey = Image.fromarray(quarters())
    colour = grey.convert("RGB")
    sixteen = Image.fromarray(quarters().astype(np.uint16) * 257)
    deep = cv2.cvtColor(quarters().astype(np.uint16) * 257, cv2.COLOR_GRAY2BGR)
    alpha = Image.merge("RGBA", (*colour.split(), Image.new("L", grey.size, 128)))
    return {
        "jpeg": saved(colour, "JPEG", quality=95),
        "jpeg grey": saved(grey, "JPEG", quality=95),
        "jpeg progressive": saved(colour, "JPEG", quality=95, progressive=True),
        "jpeg cmyk": saved(colour.convert("CMYK"), "JPEG", quality=95),
        "png": saved(colour, "PNG"),
        "png grey": saved(grey, "PNG"),
        "png 16 bits": saved(sixteen, "PNG"),
        "png 16 bits colour": bytes(cv2.imencode(".png", deep)[1]),
        "png palette": saved(colour.quantize(16), "PNG"),
        "png alpha": saved(alpha, "PNG"),
        "png grey alpha": saved(grey.convert("LA"), "PNG"),
        "bmp": saved(colour, "BMP"),
        "bmp palette": saved(grey, "BMP"),
        "webp": saved(colour, "WEBP", quality=95),
        "webp lossless": saved(colour, "WEBP", lossless=True),
        "webp alpha": saved(alpha, "WEBP", lossless=True),
        "webp moving": saved(
            colour, "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", colour.size)]
        ),
        "tiff": saved(colour, "TIFF"),
        "tiff grey": saved(grey, "TIFF"),
        "tiff lzw": saved(colour, "TIFF", compression="tiff_lzw"),
        "tiff deflate": saved(colour, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": saved(colour, "TIFF", compression="jpeg", quality=95),
        "tiff 16 bits": saved(sixteen, "TIFF"),
        "tiff cmyk": saved(colour.convert("CMYK"), "TIFF"),
        "tiff pages": saved(colour, "TIFF", save_all=True, append_images=[Image.new("RGB", colour.size)]),
        "gif": saved(colour, "GIF"),
        "gif moving": saved(grey, "GIF", save_all=True, append_images=[Image.new("L", grey.size)]),
        "avif": saved(colour, "AVIF", quality=95),
    }


def gif_of(levels: list[int], *, milliseconds: int = 40, side: int = 32) -> bytes:
    """A moving GIF with a frame of one grey level each."""
    frames = [Image.new("L", (side, side), level) for level in levels]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=milliseconds)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_png_chunks(png: bytes, chunks: bytes) -> bytes:
    """A PNG with chunks put in behind its header."""
    return png[:33] + chunks + png[33:]


def tiff_of(entries: list[tuple[int, int, int, int]], pixels: bytes = b"", order: str = "<") -> bytes:
    """A TIFF of these (tag, type, count, value); the value -1 stands for where `pixels` lie."""
    start = 8 + 2 + 12 * len(entries) + 4
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        value = start if value == -1 else value
        short = kind == 3 and count == 1
        directory += struct.pack(f"{order}HHIHxx" if short else f"{order}HHII", tag, kind, count, value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8) + directory + bytes(4) + pixels


def grey_tiff(
    pixels: np.ndarray, *, order: str = "<", extra: tuple[tuple[int, int, int, int], ...] = ()
) -> bytes:
    """An uncompressed grey TIFF, with further entries."""
    height, width = pixels.shape
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, -1), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, pixels.size), *extra]
    return tiff_of(entries, pixels.tobytes(), order)


def _jpeg_frame(jpeg: bytes) -> int:
    """Where the frame header's numbers start."""
    place = next(
        jpeg.find(bytes((0xFF, marker))) for marker in (0xC0, 0xC2) if jpeg.find(bytes((0xFF, marker))) > 0
    )
    return place + 4


def jpeg_that_claims(width: int, height: int, *, progressive: bool = False, colour: bool = False) -> bytes:
    """A small JPEG with another size in its frame header."""
    picture = np.full((16, 16, 3) if colour else (16, 16), 128, np.uint8)
    jpeg = bytearray(
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    )
    struct.pack_into(">HH", jpeg, _jpeg_frame(bytes(jpeg)) + 1, height, width)
    return bytes(jpeg)


def jpeg_behind_garbage(garbage: bytes, width: int, height: int) -> bytes:
    """A JPEG hidden in what a lenient reader takes for a segment, before a harmless one of 48x48."""
    hidden = jpeg_that_claims(width, height)[2:]
    harmless = cv2.imencode(".jpg", np.full((48, 48), 128, np.uint8))[1].tobytes()
    return b"\xff\xd8" + garbage + struct.pack(">H", 2 + len(hidden)) + hidden + harmless[2:]


def jpeg_of_many_scans(num_scans: int, *, side: int = 6300) -> bytes:
    """A progressive JPEG with that many empty scans: each costs a pass over all blocks."""
    jpeg = jpeg_that_claims(side, side, progressive=True)
    return jpeg[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" * num_scans + b"\xff\xd9"
