"""Small bad sources, written into a folder: what a user may hand to stage download.

`BAD_INPUTS` maps a name to how the input is built, the error it must raise and what the message
must say. A builder returns the keys of section `download` that lead to it.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferflow.errors import DataError, DetectorError, FerflowError, SourceError
from tests.source_files import (
    Files,
    csv_rows,
    encoded,
    face,
    huge_png,
    layout,
    write_csv,
    write_folder,
    write_tar,
    write_zip,
)

Changes = dict[str, Any]


@dataclass(frozen=True)
class BadInput:
    """How to build it, and what must come of it."""

    build: Callable[[Path], Changes]
    error: type[FerflowError]
    says: tuple[str, ...]


def _archive(path: Path) -> Changes:
    return {"source": "archive", "path": str(path)}


def _with_image(content: bytes, name: str = "train/angry/Training_odd.jpg") -> Callable[[Path], Changes]:
    return lambda folder: _archive(write_zip(folder / "data.zip", layout() | {name: content}))


def _with_zip_member(name: str) -> Callable[[Path], Changes]:
    return lambda folder: _archive(write_zip(folder / "data.zip", layout() | {name: b"x"}))


def _with_tar_member(kind: bytes, name: str = "train/angry/odd.jpg") -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        return _archive(write_tar(folder / "data.tar.gz", layout(), extra=[info]))

    return build


def _cut(writer: Callable[[Path, Files], Path], name: str, share: float) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        path = writer(folder / name, layout())
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return _archive(path)

    return build


def _tar_of_whole_members_without_end(folder: Path) -> Changes:
    path = write_tar(folder / "data.tar", layout())
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    path.write_bytes(path.read_bytes()[:end])
    return _archive(path)


def _tar_damaged_inside(folder: Path) -> Changes:
    path = write_tar(folder / "data.tar", layout())
    with tarfile.open(path) as archive:
        header = archive.getmembers()[5].offset
    content = bytearray(path.read_bytes())
    content[header : header + 8] = b"\xff" * 8
    path.write_bytes(content)
    return _archive(path)


def _written(name: str, content: bytes) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        (folder / name).write_bytes(content)
        return _archive(folder / name)

    return build


def _zip_with_link(folder: Path) -> Changes:
    path = write_zip(folder / "data.zip", layout())
    link = zipfile.ZipInfo("train/angry/odd.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    return _archive(path)


def _encrypted_zip(folder: Path) -> Changes:
    path = write_zip(folder / "data.zip", layout())
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 8] |= 1  # the flag in the directory is what readers go by
    path.write_bytes(content)
    return _archive(path)


def _folder_with_link(folder: Path) -> Changes:
    path = write_folder(folder / "data", layout())
    (path / "train" / "angry" / "odd.jpg").symlink_to("/etc/passwd")
    return _archive(path)


def _tar_with_huge_header(folder: Path) -> Changes:
    """An extended header that claims to be 8 GB long, as a first member."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 8_000_000_000
    (folder / "data.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096)
    return _archive(folder / "data.tar")


def _bomb(write: Callable[[Path, Files], Path], name: str) -> Callable[[Path], Changes]:
    """Members of zeros, each within bounds, that unpack to some hundred times their archive."""

    def build(folder: Path) -> Changes:
        zeros = {f"train/angry/Training_{number}.bmp": bytes(60_000) for number in range(40)}
        return _archive(write(folder / name, zeros)) | {"max_member_bytes": 65_536}

    return build


def _over(bound: str, value: int) -> Callable[[Path], Changes]:
    return lambda folder: _archive(write_zip(folder / "data.zip", layout())) | {bound: value}


def _folder(files: Files) -> Callable[[Path], Changes]:
    return lambda folder: _archive(write_folder(folder / "data", files))


def _without_emotion(emotion: str, part: str = "") -> Files:
    return {name: content for name, content in layout().items() if f"{part}/{emotion}/" not in f"/{name}"}


def _non_utf8_name(folder: Path) -> Changes:
    path = write_folder(folder / "data", layout())
    (path / "train" / "angry" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"no image")
    return _archive(path)


def _non_utf8_name_in_tar(folder: Path) -> Changes:
    name = os.fsdecode(b"train/angry/caf\xe9.jpg")
    return _archive(write_tar(folder / "data.tar.xz", layout() | {name: b"no image"}))


def _csv_row(column: int, value: str) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        rows = csv_rows()
        rows[4][column] = value
        return {"source": "csv", "path": str(write_csv(folder / "fer2013.csv", rows))}

    return build


def _csv_short_row(folder: Path) -> Changes:
    rows = csv_rows()
    del rows[4][2]
    return {"source": "csv", "path": str(write_csv(folder / "fer2013.csv", rows))}


def _csv_without_pixels(folder: Path) -> Changes:
    rows = [[emotion, usage] for emotion, _, usage in csv_rows()]
    return {"source": "csv", "path": str(write_csv(folder / "fer2013.csv", rows, header="emotion,Usage"))}


def _csv_written(content: bytes) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        (folder / "fer2013.csv").write_bytes(content)
        return {"source": "csv", "path": str(folder / "fer2013.csv")}

    return build


def _csv_folder(folder: Path) -> Changes:
    return {"source": "csv", "path": str(write_folder(folder / "data", layout()))}


def _csv_endless(folder: Path) -> Changes:
    return _csv_written(b"7" * 4_000_000)(folder) | {"max_member_bytes": 1_000_000}


def _pipe(folder: Path) -> Changes:
    os.mkfifo(folder / "data.zip")
    return _archive(folder / "data.zip")


def _wrong_sha256(folder: Path) -> Changes:
    return _archive(write_zip(folder / "data.zip", layout())) | {"sha256": "0" * 64}


def _sha256_of_folder(folder: Path) -> Changes:
    return _archive(write_folder(folder / "data", layout())) | {"sha256": "0" * 64}


def _detector(content: bytes | None) -> Callable[[Path], Changes]:
    def build(folder: Path) -> Changes:
        if content is not None:
            (folder / "yunet.onnx").write_bytes(content)
        changes = _archive(write_zip(folder / "data.zip", layout()))
        return changes | {"detector": str(folder / "yunet.onnx")}

    return build


_ODD = "train/angry/Training_odd"
_TOO_MANY_BAD = ("1 of 22 images", "download.max_bad_share")
_FEW_PIXELS = " ".join(["7"] * 2303)
_BIG_PIXEL = " ".join(["256"] * 2304)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 229738\n"
_CUT_JPEG = encoded(face(99))[:-300]

BAD_INPUTS: dict[str, BadInput] = {
    "missing path": BadInput(
        lambda folder: _archive(folder / "no.zip"), SourceError, ("no.zip", "not found", "download.path")
    ),
    "truncated zip": BadInput(_cut(write_zip, "data.zip", 0.7), SourceError, ("data.zip", "cut short")),
    "truncated tar.xz": BadInput(
        _cut(write_tar, "data.tar.xz", 0.7), SourceError, ("data.tar.xz", "cut short")
    ),
    "truncated tar.gz": BadInput(
        _cut(write_tar, "data.tar.gz", 0.7), SourceError, ("data.tar.gz", "cut short")
    ),
    "truncated tar.bz2": BadInput(
        _cut(write_tar, "data.tar.bz2", 0.7), SourceError, ("data.tar.bz2", "cut short")
    ),
    "truncated tar": BadInput(_cut(write_tar, "data.tar", 0.7), SourceError, ("data.tar", "cut short")),
    "tar without end": BadInput(_tar_of_whole_members_without_end, SourceError, ("data.tar", "no end mark")),
    "tar damaged inside": BadInput(
        _tar_damaged_inside, SourceError, ("data.tar", "no end mark after member 5")
    ),
    "not an archive": BadInput(
        _written("data.zip", b"hello" * 500), SourceError, ("data.zip", "expected zip, tar")
    ),
    "empty archive file": BadInput(_written("data.zip", b""), SourceError, ("data.zip", "expected zip, tar")),
    "zip slip": BadInput(
        _with_zip_member("train/../../odd.jpg"), SourceError, ("data.zip", "../odd.jpg", "'..'")
    ),
    "zip slip by backslash": BadInput(
        _with_zip_member("train\\..\\..\\odd.jpg"), SourceError, ("data.zip", "'..'")
    ),
    "zip with absolute path": BadInput(
        _with_zip_member("/etc/odd.jpg"), SourceError, ("/etc/odd.jpg", "absolute")
    ),
    "zip with drive": BadInput(_with_zip_member("C:/odd.jpg"), SourceError, ("C:/odd.jpg", "absolute")),
    "zip with link": BadInput(_zip_with_link, SourceError, ("train/angry/odd.jpg is a link",)),
    "encrypted zip": BadInput(_encrypted_zip, SourceError, ("data.zip", "encrypted", "without a password")),
    "zip by an exotic method": BadInput(
        lambda folder: _archive(write_zip(folder / "data.zip", layout(), compression=zipfile.ZIP_LZMA)),
        SourceError,
        ("data.zip", "method 14", "repack"),
    ),
    "tar slip": BadInput(
        _with_tar_member(tarfile.REGTYPE, "../odd.jpg"), SourceError, ("../odd.jpg", "'..'")
    ),
    "tar with absolute path": BadInput(
        _with_tar_member(tarfile.REGTYPE, "/etc/odd.jpg"),
        SourceError,
        ("/etc/odd.jpg", "absolute"),
    ),
    "tar with symlink": BadInput(_with_tar_member(tarfile.SYMTYPE), SourceError, ("odd.jpg is a link",)),
    "tar with hardlink": BadInput(_with_tar_member(tarfile.LNKTYPE), SourceError, ("odd.jpg is a link",)),
    "tar with device": BadInput(
        _with_tar_member(tarfile.CHRTYPE), SourceError, ("odd.jpg is a special member",)
    ),
    "tar with pipe": BadInput(
        _with_tar_member(tarfile.FIFOTYPE), SourceError, ("odd.jpg is a special member",)
    ),
    "tar with sparse member": BadInput(
        _with_tar_member(tarfile.GNUTYPE_SPARSE), SourceError, ("odd.jpg is a special member",)
    ),
    "tar with a huge header": BadInput(
        _tar_with_huge_header, SourceError, ("data.tar", "8,000,000,", "claims")
    ),
    "folder with link": BadInput(
        _folder_with_link, SourceError, ("train/angry/odd.jpg is a link that leads out of the folder",)
    ),
    "zip bomb": BadInput(
        _bomb(write_zip, "data.zip"), SourceError, ("data.zip", "bomb", "download.max_ratio")
    ),
    "tar bomb": BadInput(
        _bomb(write_tar, "data.tar.xz"), SourceError, ("data.tar.xz", "bomb", "download.max_ratio")
    ),
    "too many bytes": BadInput(
        _over("max_total_bytes", 20_000), SourceError, ("data.zip", "download.max_total_bytes")
    ),
    "too large a member": BadInput(
        _over("max_member_bytes", 1_000),
        SourceError,
        ("data.zip", "train/angry/", "download.max_member_bytes"),
    ),
    "too many members": BadInput(
        _over("max_members", 20), SourceError, ("data.zip", "20 members", "max_members")
    ),
    "unknown class folder": BadInput(
        _folder(layout() | {"train/angree/1.jpg": b"x"}),
        DataError,
        ("angree (1 image)", "no known class", "angry"),
    ),
    "empty class": BadInput(_folder(_without_emotion("disgust")), DataError, ("data", "no image of disgust")),
    "empty training class": BadInput(
        _folder(_without_emotion("fear", "/train")), DataError, ("data", "no training image of fear")
    ),
    "no image": BadInput(
        _folder({"readme.txt": b"x"}), DataError, ("data", "holds no image (found: 1 .txt)", "<class>")
    ),
    "mixed layouts": BadInput(
        _folder(layout() | {"sad/1.jpg": b"x"}), DataError, ("sad (1 image)", "outside test/ and train/")
    ),
    "one path twice": BadInput(
        _folder(layout() | layout("copy/")),
        DataError,
        ("holds test/angry/PrivateTest_20.jpg twice", "(copy/test/angry/", "rename"),
    ),
    "test image in train folder": BadInput(
        _folder(layout() | {"train/sad/PublicTest_1.jpg": b"x"}),
        DataError,
        ("PublicTest_1.jpg", "lies in train/"),
    ),
    "zero-byte image": BadInput(_with_image(b""), DataError, (*_TOO_MANY_BAD, _ODD, "empty (0 bytes)")),
    "no image inside": BadInput(
        _with_image(b"GIF98a..."), DataError, (*_TOO_MANY_BAD, _ODD, "not a JPEG, PNG")
    ),
    "truncated image": BadInput(_with_image(_CUT_JPEG), DataError, (*_TOO_MANY_BAD, _ODD, "cut short")),
    "image that claims 10^9 pixels": BadInput(
        _with_image(huge_png()), DataError, (*_TOO_MANY_BAD, _ODD, "40000x25000", "download.max_image_pixels")
    ),
    "non-UTF-8 name": BadInput(_non_utf8_name, DataError, (*_TOO_MANY_BAD, "train/angry/caf\\xe9.jpg")),
    "non-UTF-8 name in tar": BadInput(
        _non_utf8_name_in_tar, DataError, (*_TOO_MANY_BAD, "train/angry/caf\\xe9.jpg")
    ),
    "CSV of one endless line": BadInput(_csv_endless, SourceError, ("fer2013.csv", "line 1 has more than")),
    "pipe for a source": BadInput(_pipe, SourceError, ("data.zip", "pipe or device", "download.path")),
    "CSV missing": BadInput(
        lambda folder: {"source": "csv", "path": str(folder / "no.csv")}, SourceError, ("no.csv", "not found")
    ),
    "CSV is a folder": BadInput(_csv_folder, SourceError, ("data", "is a folder", "download.source archive")),
    "CSV empty": BadInput(_csv_written(b""), SourceError, ("fer2013.csv", "empty")),
    "CSV with a header only": BadInput(
        _csv_written(b"emotion,pixels,Usage\n"), DataError, ("fer2013.csv", "no row")
    ),
    "CSV without header": BadInput(
        _csv_written(b"0,1 2 3,Training\n"), DataError, ("fer2013.csv", "emotion and pixels")
    ),
    "CSV that is none": BadInput(
        _csv_written(b"emotion,pixels,Usage\n" + b"9" * 200_000), SourceError, ("fer2013.csv", "line 2")
    ),
    "CSV without pixels column": BadInput(
        _csv_without_pixels, DataError, ("fer2013.csv", "column pixels missing")
    ),
    "CSV label 7": BadInput(_csv_row(0, "7"), DataError, ("fer2013.csv", "row 5", "emotion '7'", "0 to 6")),
    "CSV bad usage": BadInput(
        _csv_row(2, "Later"), DataError, ("fer2013.csv", "row 5", "Usage 'Later'", "Training")
    ),
    "CSV short row": BadInput(_csv_short_row, DataError, ("fer2013.csv", "row 5", "2 cells, expected 3")),
    "CSV missing pixels": BadInput(
        _csv_row(1, _FEW_PIXELS), DataError, ("row 5", "2303 pixels, expected 2304")
    ),
    "CSV no pixels": BadInput(_csv_row(1, ""), DataError, ("row 5", "0 pixels, expected 2304")),
    "CSV pixel 256": BadInput(_csv_row(1, _BIG_PIXEL), DataError, ("row 5", "pixel value 256")),
    "wrong sha256": BadInput(_wrong_sha256, SourceError, ("data.zip", "download.sha256", "0000")),
    "sha256 of a folder": BadInput(_sha256_of_folder, SourceError, ("data", "download.sha256", "null")),
    "detector missing": BadInput(
        _detector(None), DetectorError, ("yunet.onnx", "missing", "download.detector")
    ),
    "another detector": BadInput(
        _detector(b"x" * 300_000), DetectorError, ("yunet.onnx", "ebafce4e", "by hand")
    ),
    "detector is a pointer": BadInput(
        _detector(_LFS_POINTER), DetectorError, ("yunet.onnx", "Git LFS pointer")
    ),
}
