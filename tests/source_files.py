"""Small good sources, written into a folder: what a user hands to stage download."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ferflow.labels import CSV_EMOTIONS, EMOTIONS

Files = dict[str, bytes]


def face(number: int) -> np.ndarray:
    """A (48, 48) uint8 image of noise, another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)


def encoded(image: np.ndarray, suffix: str = ".jpg") -> bytes:
    """The image as a file's bytes."""
    return bytes(cv2.imencode(suffix, image)[1])


def layout(prefix: str = "", *, per_folder: int = 1) -> Files:
    """The Kaggle layout in small: each emotion in train/ and, of both kinds, in test/."""
    files: Files = {}
    for emotion in EMOTIONS:
        for folder, usage in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
            for copy in range(per_folder):
                number = len(files)
                files[f"{prefix}{folder}/{emotion}/{usage}_{number}{copy}.jpg"] = encoded(face(number))
    return files


def write_folder(path: Path, files: Files) -> Path:
    """Write files below `path`."""
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def write_zip(path: Path, files: Files, *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write files into a zip."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Files, *, extra: Iterable[tarfile.TarInfo] = ()) -> Path:
    """Write files and special members into a tar, packed as the suffix says."""
    packing = path.suffix.removeprefix(".")
    with tarfile.open(path, "w" if packing == "tar" else f"w:{packing}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return path


def csv_rows() -> list[list[str]]:
    """Rows of a small `fer2013.csv`: every emotion in every usage."""
    rows = []
    for emotion in range(len(CSV_EMOTIONS)):
        for usage in ("Training", "PublicTest", "PrivateTest"):
            rows.append([str(emotion), " ".join(map(str, face(len(rows)).ravel().tolist())), usage])
    return rows


def write_csv(path: Path, rows: list[list[str]], header: str = "emotion,pixels,Usage") -> Path:
    """Write a CSV."""
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def huge_png() -> bytes:
    """A PNG of a few bytes, all checksums right, that claims 10^9 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 40_000, 25_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


def cmyk_jpeg() -> bytes:
    """A JPEG of four channels."""
    buffer = io.BytesIO()
    Image.new("CMYK", (48, 48), (10, 20, 30, 40)).save(buffer, "JPEG")
    return buffer.getvalue()
