"""What a file is by its first bytes, where that is nothing that can be read, and what to do about it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ferflow.errors import SourceError

REPACK = "unpack it and give the folder, or repack it as zip or tar.gz"
JOIN_PARTS = "join the parts first: unpack the first one with the program that made them (7z x FIRST)"
_JOIN_ZIP = "join the parts (zip -s 0 FIRST.zip --out whole.zip)"
_AS_CSV = "save it as CSV with the columns emotion, pixels, Usage"
_AS_ONE = "give the folder that holds the class folders; 'ferflow predict' reads single pictures"
_AS_PARQUET = "save it as Parquet or CSV with the columns emotion, pixels, Usage"
_AS_FOLDER = "write its images as PNG files into a folder for each class"

_TAR_MARK = slice(257, 262)

# What an extra library reads: what it is called, its first bytes, and the module.
_LIBRARIES = {"7z": (b"7z\xbc\xaf\x27\x1c", "py7zr"), "RAR": (b"Rar!\x1a\x07", "rarfile")}

# First bytes, what that is, and the way on.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x07\x08", "the first part of a split zip archive", _JOIN_ZIP),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", f"unpack it (zstd -d), or {REPACK}"),
    (b"LZIP", "packed by lzip", f"unpack it (lzip -d), or {REPACK}"),
    (b"\x1f\x9d", "packed by compress", f"unpack it (uncompress), or {REPACK}"),
    (b"MSCF", "a Windows cabinet archive", REPACK),
    (b"!<arch>", "an ar archive", REPACK),
    (
        b"PAR1",
        "a Parquet table",
        "use download.source csv",
    ),
    (b"\x89HDF", "an HDF5 file", _AS_CSV),
    (b"\x93NUMPY", "a NumPy array", _AS_FOLDER),
    (b"SQLite format 3", "an SQLite database", _AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", _AS_CSV),
    (b"MATLAB", "a MATLAB file", _AS_FOLDER),
    (b"%PDF", "a PDF", "give the data itself"),
    (b"\xff\xd8\xff", "a single picture", _AS_ONE),
    (b"\x89PNG\r\n", "a single picture", _AS_ONE),
    (b"ARROW1", "an Arrow or Feather file", _AS_PARQUET),
    (b"PARE", "an encrypted Parquet table", "save it without a key"),
    (b"ORC", "an ORC table", _AS_PARQUET),
    (b"Obj\x01", "an Avro file", _AS_PARQUET),
    (b"MZ", "a Windows program, as archives are that unpack themselves", REPACK),
    (b"]\0\0", "packed by lzma", f"unpack it (unlzma), or {REPACK}"),
    (b"0707", "a cpio archive", REPACK),
    (b"xar!", "a macOS package", REPACK),
    (b"\x7fELF", "a program", "give the data itself"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "fetch the file with 'git lfs pull'",
    ),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\d])")
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE)
_PART = re.compile(r"\.(?:z\d\d|\d{3}|part\d+\.rar|r\d\d)$", re.IGNORECASE)


def kind_of(start: bytes) -> str:
    """`7z` or `RAR` by the first bytes of a file; "" for another."""
    return next((kind for kind, (magic, _) in _LIBRARIES.items() if start.startswith(magic)), "")


def refuse_foreign(path: Path, start: bytes) -> None:
    """Refuse a file of a kind that is not read, by its first bytes.

    Raises:
        SourceError: It is one; says what it is and the way on.
    """
    kind = kind_of(start)
    if start[_TAR_MARK] == b"ustar":
        start = b""  # It begins with the name of its first member, which may be any.
    found = next(((what, cure) for magic, what, cure in _KINDS if start.startswith(magic)), None)
    if kind and not _has_library(kind):
        found = (
            f"a {kind} archive",
            f"install ferflow[archives] (pip install 'ferflow[archives]'), or {REPACK}",
        )
    if _PART.search(path.name):
        what = f"a {kind} archive" if kind else found[0] if found else "a part of a split archive"
        found = (what, JOIN_PARTS)
    elif _PAGE.match(start):
        found = (
            "a web page, as a login or error page saved under this name",
            "download the file itself again",
        )
    elif _JSON.match(start):
        found = ("JSON", f"{_AS_CSV}, or {_AS_FOLDER}")
    elif _PICKLE.match(start):
        found = ("a Python pickle, which is never read because it can run code", _AS_CSV)
    if found:
        raise SourceError(
            f"{path}: is {found[0]}, expected a folder, zip, tar, tar.gz, tar.bz2, tar.xz or a table (CSV); "
            f"{found[1]}"
        )


def _has_library(kind: str) -> bool:
    """Whether what reads such an archive is installed."""
    try:
        return find_spec(_LIBRARIES[kind][1]) is not None
    except ValueError:  # It is marked as one that cannot be imported.
        return False
