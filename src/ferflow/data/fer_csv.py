"""`fer2013.csv`: one image a row, columns emotion (0-6), pixels (2,304 numbers 0-255) and Usage.

Column names are taken without regard to case, blanks around them and order; other columns are
passed over. Images have no names there: row 12 (counted from 1 after the header) of an angry
training image becomes `train/angry/Training_row00012.jpg`, in the shape of the Kaggle layout.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ferflow.data.bounds import check_count
from ferflow.data.layout import Place
from ferflow.data.store import Images
from ferflow.errors import DataError, SourceError
from ferflow.labels import CSV_EMOTIONS, IMAGE_SIZE, USAGES
from ferflow.limits import MAX_CSV_LINE_CHARACTERS
from ferflow.params import DownloadParams

_COLUMNS = ("emotion", "pixels", "usage")
_NUM_PIXELS = IMAGE_SIZE * IMAGE_SIZE
_SPACE, _ZERO = ord(" "), ord("0")
_MAX_DIGITS = 3


@dataclass(frozen=True)
class CsvRow:
    """One row: a place and an image (48, 48) uint8, or a problem and neither."""

    number: int
    place: Place | None
    image: Images | None
    problem: str


class BadRowError(Exception):
    """A row cannot be used; the message is the reason."""


def read_fer_csv(path: Path, bounds: DownloadParams) -> Iterator[CsvRow]:
    """Yield the rows of a CSV in their order.

    Raises:
        SourceError: The file is missing, a folder, empty, too large or no CSV.
        DataError: A column is missing or there is no row.
    """
    try:
        size = path.stat().st_size
        if size > bounds.max_total_bytes:
            raise SourceError(
                f"{path}: {size:,} bytes, more than {bounds.max_total_bytes:,}; "
                "see that it is the right file, or raise download.max_total_bytes"
            )
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            yield from _read_rows(path, stream, bounds)
    except FileNotFoundError:
        raise SourceError(f"{path}: not found; set download.path to the CSV file") from None
    except IsADirectoryError:
        raise SourceError(
            f"{path}: is a folder, expected a CSV file; set download.path to the file, or use "
            "download.source archive"
        ) from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); see its permissions") from error


def _read_rows(path: Path, stream: TextIO, bounds: DownloadParams) -> Iterator[CsvRow]:
    reader = csv.reader(_lines(path, stream))
    try:
        header = next(reader, None)
        if header is None:
            raise SourceError(f"{path}: empty; expected the columns emotion, pixels, Usage; fetch it again")
        columns = _find_columns(path, header)
        number = 0
        for number, cells in enumerate(reader, start=1):
            check_count(path, number, bounds)
            try:
                place, image = _parse_row(number, cells, header, columns)
            except BadRowError as error:
                yield CsvRow(number, None, None, str(error))
            else:
                yield CsvRow(number, place, image, "")
    except csv.Error as error:
        raise SourceError(
            f"{path}: line {reader.line_num} is no CSV ({error}); fetch the file again"
        ) from error
    if not number:
        raise DataError(f"{path}: holds a header and no row; fetch it again")


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    """The lines of a CSV, none of them of gigabytes."""
    number = 0
    while line := stream.readline(MAX_CSV_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_CSV_LINE_CHARACTERS:
            raise SourceError(
                f"{path}: line {number} has more than {MAX_CSV_LINE_CHARACTERS:,} characters, expected about "
                "9,000; see that it is the right file"
            )
        yield line


def _find_columns(path: Path, header: list[str]) -> tuple[int, ...]:
    names = [name.strip().lower() for name in header]
    missing = [column for column in _COLUMNS if column not in names]
    if missing:
        found = ", ".join(name.strip()[:20] for name in header[:8])
        raise DataError(
            f"{path}: column {' and '.join(missing)} missing from the header (found: {found}); "
            "expected emotion, pixels, Usage, as in fer2013.csv"
        )
    return tuple(names.index(column) for column in _COLUMNS)


def _parse_row(
    number: int, cells: list[str], header: list[str], columns: tuple[int, ...]
) -> tuple[Place, Images]:
    if len(cells) != len(header):
        raise BadRowError(f"{len(cells)} cells, expected {len(header)}")
    emotion, pixels, usage = (cells[column].strip() for column in columns)
    if len(emotion) != 1 or emotion not in "0123456":
        raise BadRowError(f"emotion {emotion[:20]!r}, expected 0 to 6 ({', '.join(CSV_EMOTIONS)})")
    if usage not in USAGES:
        raise BadRowError(f"Usage {usage[:20]!r}, expected {', '.join(USAGES)}")
    label = CSV_EMOTIONS[int(emotion)]
    subset = "train" if usage == "Training" else "test"
    file = f"{subset}/{label}/{usage}_row{number:05d}.jpg"
    return Place(file, label, usage, subset), parse_pixels(pixels)


def parse_pixels(text: str) -> Images:
    """Numbers with one space between them to an image, all at once: 83 million of them in a file.

    Returns:
        (48, 48) uint8.

    Raises:
        BadRowError: Not 2,304 whole numbers from 0 to 255.
    """
    characters = np.frombuffer(text.encode("utf-8"), np.uint8)
    ends = np.append(np.flatnonzero(characters == _SPACE), len(characters))
    lengths = np.diff(ends, prepend=-1) - 1  # of each number, in digits
    if len(ends) != _NUM_PIXELS or not text:
        raise BadRowError(
            f"{len(text.split())} pixels, expected {_NUM_PIXELS} numbers with one space between"
        )
    digits = (characters - _ZERO).astype(np.int32)  # below the zero it wraps round to far above 9
    is_number = lengths.min() >= 1 and lengths.max() <= _MAX_DIGITS
    if not is_number or ((digits > 9) & (characters != _SPACE)).any():
        raise BadRowError("pixels hold something else than whole numbers from 0 to 255")
    values = digits[ends - 1]
    for place in range(1, _MAX_DIGITS):
        has_digit = lengths > place
        values[has_digit] += 10**place * digits[ends[has_digit] - 1 - place]
    if values.max() > 255:
        raise BadRowError(f"pixel value {values.max()}, expected 0 to 255")
    image: Images = values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
    return image
