"""Uploads that are no picture, or none that can be used: name to bytes."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from tests.data.picture_files import jpeg_behind_garbage, jpeg_of_many_scans
from tests.serving.pictures import photo_of
from tests.source_files import encoded, huge_png

_PNG = b"\x89PNG\r\n\x1a\n"


def malformed_uploads() -> dict[str, bytes]:
    """All of them."""
    photo = photo_of([(40, 60, 144)])
    whole = {kind: encoded(photo, f".{kind}") for kind in ("jpg", "png", "bmp")}
    return {
        **_no_pictures(whole["jpg"]),
        **_other_formats(photo),
        **{f"{kind} cut to {share} %": _cut(whole[kind], share) for kind in whole for share in (1, 50, 99)},
        **_broken_jpegs(whole["jpg"]),
        **_broken_pngs(whole["png"]),
        **_broken_bmps(whole["bmp"]),
    }


def _no_pictures(jpeg: bytes) -> dict[str, bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("photo.jpg", jpeg)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    return {
        "empty": b"",
        "one byte": b"\xff",
        "text": b"a happy face",
        "html": b"<!doctype html><html><body>404</body></html>",
        "json": json.dumps({"instances": [[0] * 48] * 48}).encode(),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>',
        "zip": packed.getvalue(),
        "gzip": gzip.compress(jpeg),
        "base64": base64.b64encode(jpeg),
        "data address": b"data:image/jpeg;base64," + base64.b64encode(jpeg),
        "form": form + jpeg + b"\r\n--x--\r\n",
        "byte before the jpeg": b"\0" + jpeg,
        "noise": _noise(5000),
        "zeros": bytes(5000),
    }


def _other_formats(photo: np.ndarray) -> dict[str, bytes]:
    return {kind: _saved(photo, kind) for kind in ("PPM", "ICO", "PCX", "TGA")}


def _broken_jpegs(jpeg: bytes) -> dict[str, bytes]:
    frame = jpeg.index(b"\xff\xc0") + 4
    return {
        "jpeg start alone": jpeg[:2],
        "jpeg without its end": jpeg[:-2],
        "jpeg of noise": b"\xff\xd8\xff\xe0" + _noise(3000) + b"\xff\xd9",
        "jpeg segment of length 0": jpeg[:4] + b"\0\0" + jpeg[6:],
        "jpeg segment beyond the end": jpeg[:4] + b"\xff\xff" + jpeg[6:300],
        "jpeg of height 0": jpeg[: frame + 1] + b"\0\0" + jpeg[frame + 3 :],
        "jpeg of 4 gigapixels": jpeg[: frame + 1] + b"\xff\xff\xff\xff" + jpeg[frame + 5 :],
        "jpeg of 12 bits": jpeg[:frame] + b"\x0c" + jpeg[frame + 1 :],
        "jpeg hidden in a segment": jpeg_behind_garbage(b"\xff\x00", 20_000, 20_000),
        "jpeg of many scans": jpeg_of_many_scans(5000),
    }


def _broken_pngs(png: bytes) -> dict[str, bytes]:
    header, pixels, end = (
        _chunk(b"IHDR", 8, 8),
        _chunk(b"IDAT", content=zlib.compress(bytes(72))),
        _chunk(b"IEND"),
    )
    return {
        "png signature alone": png[:8],
        "png of noise": _PNG + _noise(3000),
        "png without its end": png[:-12],
        "png with a changed byte": png[:200] + bytes([png[200] ^ 1]) + png[201:],
        "png of a gigapixel": huge_png(),
        "png of width 0": _PNG + _chunk(b"IHDR", 0, 8) + pixels + end,
        "png without pixels": _PNG + header + end,
        "png with pixels of noise": _PNG + header + _chunk(b"IDAT", content=_noise(80)) + end,
        "png with its header second": _PNG + pixels + header + end,
        "png of an unknown colour type": _PNG + _chunk(b"IHDR", 8, 8, colour=5) + pixels + end,
    }


def _broken_bmps(bmp: bytes) -> dict[str, bytes]:
    return {
        "bmp of noise": b"BM" + _noise(3000),
        "bmp of width 0": bmp[:18] + struct.pack("<i", 0) + bmp[22:],
        "bmp of a gigapixel": bmp[:18] + struct.pack("<ii", 40_000, 25_000) + bmp[26:],
        "bmp of 7 bits": bmp[:28] + struct.pack("<H", 7) + bmp[30:],
    }


def _chunk(kind: bytes, *size: int, colour: int = 0, content: bytes = b"") -> bytes:
    if size:
        content = struct.pack(">IIBBBBB", *size, 8, colour, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _cut(content: bytes, share: int) -> bytes:
    return content[: len(content) * share // 100]


def _noise(number: int) -> bytes:
    return np.random.default_rng(number).bytes(number)


def _saved(photo: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, kind)
    return buffer.getvalue()
