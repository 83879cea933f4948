"""A table of images, one a row: columns emotion, pixels (2,304 numbers 0-255) and Usage, as in `fer2013.csv`.

Also read: other spellings and orders of the columns, other separators, UTF-16, one column a pixel, names for
numbers, subsets for usages, no usage at all (then all rows are Training), and packed files. Images have no
names there: row 12 (counted from 1 after the header) of an angry training image becomes
`train/angry/Training_row00012.jpg`, in the shape of the Kaggle layout.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ferflow.data.archives.bounds import check_count
from ferflow.data.archives.packed_table import open_table
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_columns import NUM_PIXELS, Columns, find_columns, find_separator
from ferflow.data.sources.table_rows import BadRowError, CsvRow, Table, checked_rows, place_of_row
from ferflow.data.store import Images
from ferflow.errors import SourceError
from ferflow.labels import IMAGE_SIZE
from ferflow.limits import MAX_CSV_LINE_CHARACTERS

_SPACE, _ZERO = ord(" "), ord("0")
_MAX_DIGITS = 3
_BETWEEN = re.compile(r"[\s,;\[\]()]+")
_TRAILING_ZEROS = re.compile(r"(?<=\d)\.0*(?= |$)")


def read_fer_csv(table: Table, *, wording: Wording) -> Iterator[CsvRow]:
    """Yield the rows of a table in their order.

    Raises:
        SourceError: The file is missing, a folder, empty, too large or no table.
        DataError: A column is missing, there is no row, none can be used, or labels are unknown.
    """
    path = table.path
    if path.is_dir():
        raise SourceError(
            f"{path}: is a folder, expected a CSV file; set download.path to the file, or use "
            "download.source archive"
        )
    with open_table(path, table.bounds) as stream:
        yield from checked_rows(table, _read_rows(table, _as_text(stream)), wording=wording)


def _as_text(stream: io.BufferedReader) -> io.TextIOWrapper:
    """By the mark at the start of the file, or by the zeros that UTF-16 has in each letter."""
    start = stream.peek(4)[:4]
    encoding = "utf-8-sig"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif start[1:2] == b"\0" and start[:1] != b"\0":
        encoding = "utf-16-le"
    elif start[:1] == b"\0" and start[1:2] != b"\0":
        encoding = "utf-16-be"
    return io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")


def _read_rows(table: Table, stream: io.TextIOWrapper) -> Iterator[CsvRow]:
    path = table.path
    lines = _lines(path, stream)
    header_line = next((line for line in lines if line.strip()), None)
    if header_line is None:
        raise SourceError(f"{path}: empty; expected the columns emotion, pixels, Usage; fetch it again")
    separator = find_separator(header_line)
    # Strict: a quote that is never closed would take the rest of the file for one cell.
    reader = csv.reader(itertools.chain([header_line], lines), delimiter=separator, strict=True)
    number = 0
    try:
        columns = find_columns(path, next(reader), table.named)
        table.columns = columns
        for cells in reader:
            check_count(path, reader.line_num, table.bounds)
            if any(map(str.strip, cells)):
                number += 1
                yield _row(number, cells, table, columns)
    except csv.Error as error:
        raise SourceError(
            f"{path}: line {reader.line_num} is no CSV ({error}); fetch the file again"
        ) from error


def _lines(path: Path, stream: io.TextIOWrapper) -> Iterator[str]:
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


def _row(number: int, cells: list[str], table: Table, columns: Columns) -> CsvRow:
    try:
        return _parse_row(number, cells, table, columns)
    except BadRowError as error:
        return CsvRow(number, None, None, str(error))


def _parse_row(number: int, cells: list[str], table: Table, columns: Columns) -> CsvRow:
    expected = len(columns.names)
    if len(cells) < expected or any(cell.strip() for cell in cells[expected:]):
        raise BadRowError(f"{len(cells):,} cells, expected {expected:,}")
    emotion = cells[columns.emotion].strip()
    label = table.label_of(emotion)
    usage: str | None
    if columns.usage is None:
        usage = table.usage_elsewhere(cells, columns)
    else:
        usage = table.usage_of(cells[columns.usage].strip())
    if label is None or usage is None:
        return CsvRow(number, None, None, "")
    if len(columns.pixels) == 1:
        pixels = cells[columns.pixels[0]].strip()
    else:
        pixels = " ".join([cells[column].strip() for column in columns.pixels])
    return CsvRow(number, place_of_row(number, label, usage, emotion), parse_pixels(pixels), "")


def parse_pixels(text: str) -> Images:
    """Numbers to an image, all at once: 83 million of them in a file.

    One space between whole numbers is read at once; other blanks, commas, brackets and `.0` are tidied first.

    Returns:
        (48, 48) uint8.

    Raises:
        BadRowError: Not 2,304 whole numbers from 0 to 255.
    """
    try:
        return _parse_tidy(text)
    except BadRowError:
        tidy = _TRAILING_ZEROS.sub("", _BETWEEN.sub(" ", text).strip())
        if tidy == text:
            raise
    return _parse_tidy(tidy)


def _parse_tidy(text: str) -> Images:
    characters = np.frombuffer(text.encode("utf-8"), np.uint8)
    ends = np.append(np.flatnonzero(characters == _SPACE), len(characters))
    lengths = np.diff(ends, prepend=-1) - 1  # of each number, in digits
    if len(ends) != NUM_PIXELS or not text:
        raise BadRowError(f"{len(text.split())} pixels, expected {NUM_PIXELS} numbers with blanks between")
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
