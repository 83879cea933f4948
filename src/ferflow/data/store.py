"""The table of images that travels through the pipeline: an array and one index row an image.

On disk a table is an uncompressed `.npz` with the array `images` and a `.csv` index whose rows
are in the same order. The same table always has the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ferflow.errors import DataError
from ferflow.files import atomic_file
from ferflow.labels import IMAGE_SIZE
from ferflow.limits import MAX_INDEX_CELL_CHARACTERS

# All that a flipped byte of a `.npz` makes its readers raise: RuntimeError where it says that it is
# encrypted, NotImplementedError where it names a method or version that nobody knows.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    SyntaxError,
    MemoryError,
    OverflowError,
)

Images = NDArray[np.uint8]
Column = NDArray[np.str_]


@dataclass(frozen=True)
class ImageTable:
    """Images with their index.

    Attributes:
        images: (N, 48, 48) uint8, 0-255, grey.
        columns: Name to (N,) string array. `file` (unique), `label`, `usage` and `sha256`
            are always there; stages add more.
    """

    images: Images
    columns: Mapping[str, Column]

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.images):
                raise ValueError(f"column {name}: {len(values)} values for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, column: str) -> Column:
        return self.columns[column]

    def take(self, rows: NDArray[Any]) -> ImageTable:
        """The table of the given rows (indices or a boolean mask), in their order."""
        return ImageTable(self.images[rows], {name: values[rows] for name, values in self.columns.items()})

    def with_column(self, name: str, values: Sequence[Any] | NDArray[Any]) -> ImageTable:
        """The table with one more column; values are stored as text."""
        return ImageTable(self.images, {**self.columns, name: np.asarray(values).astype(np.str_)})

    def write(self, images_path: Path, index_path: Path) -> None:
        """Write the array and the index.

        Raises:
            OutputError: A file cannot be written.
        """
        write_arrays(images_path, {"images": self.images})
        write_csv(index_path, self.columns)

    @classmethod
    def read(cls, images_path: Path, index_path: Path) -> ImageTable:
        """Read what `write` wrote.

        Raises:
            DataError: A file is missing or damaged, or the two do not belong together.
        """
        images = read_arrays(images_path, ("images",))["images"]
        columns = read_csv(index_path, ("file", "label", "usage", "sha256"))
        if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
            raise DataError(
                f"{images_path}: images are {images.dtype} {images.shape}, expected uint8 "
                f"(N, {IMAGE_SIZE}, {IMAGE_SIZE}); run the stage that writes it again"
            )
        if len(images) != len(columns["file"]):
            raise DataError(
                f"{index_path}: {len(columns['file'])} rows for {len(images)} images in "
                f"{images_path.name}; run the stage that writes them again"
            )
        return cls(images, columns)


def pixel_hashes(images: Images) -> Column:
    """The SHA-256 of each image's pixels, (N,) of 64 hex digits.

    Of the pixels and not of the file: the same picture has the same hash from every source.
    """
    return np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in images], dtype="<U64")


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an uncompressed `.npz`, the same bytes for the same arrays."""
    with atomic_file(path) as fresh, fresh.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Sequence[str], *, optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Read the named arrays of a `.npz`, and those of the optional ones that it holds.

    Raises:
        DataError: The file is missing, damaged, or lacks an array.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            wanted = [*names, *(name for name in optional if name in content)]
            _check_claims(content, wanted)
            return {name: content[name] for name in wanted}
    except FileNotFoundError:
        raise DataError(f"{path}: not found; run the stage that writes it (dvc repro)") from None
    except KeyError as error:
        raise DataError(f"{path}: holds no array {error}; run the stage that writes it again") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: damaged ({reason}); run the stage that writes it again") from error


def _check_claims(content: Any, names: Sequence[str]) -> None:
    """See that arrays are as large as their members, before memory is taken for them.

    Raises:
        ValueError: A header claims more or less than is there, or an array is packed.
        KeyError: There is no such array.
    """
    if not isinstance(content, np.lib.npyio.NpzFile) or content.zip is None:
        raise ValueError("one array, expected a .npz of several")
    for name in names:
        member = content.zip.getinfo(f"{name}.npy" if f"{name}.npy" in content.zip.namelist() else name)
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ValueError(f"array {name} is packed, expected it as it is")
        with content.zip.open(member) as stream:
            shape, _, dtype = _read_header(stream)
            claimed = math.prod(shape) * dtype.itemsize
            held = member.file_size - stream.tell()
        if claimed != held:
            raise ValueError(f"array {name} claims {claimed:,} bytes and has {held:,}")


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array of a `.npz`."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(stream)
    return header


def write_csv(path: Path, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
    """Write equally long columns as UTF-8 CSV with a header; lines end with a line feed."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    with atomic_file(path) as fresh:
        fresh.write_text(buffer.getvalue(), encoding="utf-8")


def read_csv(path: Path, required: Sequence[str]) -> dict[str, Column]:
    """Read a CSV with a header as text columns.

    Raises:
        DataError: The file is missing, lacks a required column, or has a row of another length.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, rows = _read_rows(csv.reader(stream))
    except FileNotFoundError:
        raise DataError(f"{path}: not found; run the stage that writes it (dvc repro)") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"{path}: not a readable CSV ({error}); run the stage that writes it again"
        ) from error
    missing = [name for name in required if name not in header]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; run the stage that writes it again")
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    return {name: np.array(values, dtype=np.str_) for name, values in zip(header, columns, strict=True)}


def _read_rows(reader: Iterator[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The header and the rows; the first row that does not fit ends the reading.

    Raises:
        ValueError: There is no header, or a row or cell is too short or too long.
    """
    header = next(reader, None)
    if header is None:
        raise ValueError("empty")
    rows: list[list[str]] = []
    for row in reader:
        if len(row) != len(header):
            raise ValueError(
                f"row {len(rows) + 1} is too short or too long: {len(row)} of {len(header)} cells"
            )
        if max(map(len, row), default=0) > MAX_INDEX_CELL_CHARACTERS:
            raise ValueError(
                f"row {len(rows) + 1} has a cell of over {MAX_INDEX_CELL_CHARACTERS:,} characters"
            )
        rows.append(row)
    return header, rows
