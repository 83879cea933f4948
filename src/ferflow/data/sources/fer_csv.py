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
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ferflow.data.archives.bounds import check_count
from ferflow.data.archives.packed_table import open_table
from ferflow.data.sources.class_names import emotion_of
from ferflow.data.sources.path_labels import Place
from ferflow.data.sources.reading_errors import Wording, unknown_classes_error
from ferflow.data.sources.subset_names import SUBSETS, USAGE_OF, subset_of
from ferflow.data.sources.table_columns import NUM_PIXELS, Columns, find_columns, find_separator
from ferflow.data.store import Images
from ferflow.errors import DataError, SourceError
from ferflow.labels import CSV_EMOTIONS, EMOTIONS, IMAGE_SIZE, USAGES
from ferflow.limits import MAX_CSV_LINE_CHARACTERS
from ferflow.params import DownloadParams

_SPACE, _ZERO = ord(" "), ord("0")
_MAX_DIGITS = 3
_WHOLE = re.compile(r"[+]?(\d+)(?:\.0*)?")
_BETWEEN = re.compile(r"[\s,;\[\]()]+")
_TRAILING_ZEROS = re.compile(r"(?<=\d)\.0*(?= |$)")


@dataclass(frozen=True)
class CsvRow:
    """One row: a place and an image (48, 48) uint8, or a problem and neither.

    A row that the map leaves out has nothing of it.
    """

    number: int
    place: Place | None
    image: Images | None
    problem: str


class BadRowError(Exception):
    """A row cannot be used; the message is the reason."""


@dataclass
class Table:
    """Rows of a table, and what was learnt of it while they were read.

    Attributes:
        columns: Of the file; None before the first row.
        classes: Label as it is written to the emotion, None for what is left out.
        subsets: Usage as it is written to one of `USAGES`.
        unknown: Labels that say nothing, with their numbers of rows.
    """

    path: Path
    bounds: DownloadParams
    mapping: Mapping[str, str | None]
    columns: Columns | None = None
    classes: dict[str, str | None] = field(default_factory=dict)
    subsets: dict[str, str | None] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    def label_of(self, cell: str) -> str | None:
        """The emotion of a cell; None for what is left out or unknown.

        Raises:
            BadRowError: It is a number that FER-2013 has not, or empty.
        """
        if cell not in self.classes:
            whole = _WHOLE.fullmatch(cell)
            key = str(int(whole[1])) if whole else cell.lower()
            given = key if key in self.mapping else cell.lower()
            has_fer_numbers = self.columns is not None and self.columns.has_fer_numbers
            if given in self.mapping:
                target = self.mapping[given]
                if target is not None and target not in EMOTIONS:
                    raise BadRowError(f"emotion {cell[:20]!r} is mapped to {target!r}, which is no emotion")
                self.classes[cell] = target
            elif emotion_of(cell):
                self.classes[cell] = emotion_of(cell)
            elif not cell or (has_fer_numbers and (whole or not cell[0].isalpha())):
                if not whole or int(key) >= len(CSV_EMOTIONS):
                    raise BadRowError(f"emotion {cell[:20]!r}, expected 0 to 6 ({', '.join(CSV_EMOTIONS)})")
                self.classes[cell] = CSV_EMOTIONS[int(key)]
            else:
                self.unknown[cell[:40]] += 1
                return None
        return self.classes[cell]

    def usage_of(self, cell: str) -> str | None:
        """The usage of a cell; None for one that is left out.

        Raises:
            BadRowError: It names no subset.
        """
        if cell not in self.subsets:
            target = self.mapping.get(cell.lower(), "")
            known = subset_of(cell)
            kind = target if target in SUBSETS else known.kind if known.is_certain else ""
            if target is None:
                self.subsets[cell] = None
            elif kind in USAGE_OF:
                self.subsets[cell] = USAGE_OF[str(kind)]
            else:
                raise BadRowError(f"Usage {cell[:20]!r}, expected {', '.join(USAGES)}, or train, val, test")
        return self.subsets[cell]


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
        yield from _read_rows(table, _as_text(stream))
    present = {label.lower() for label in (*table.classes, *table.subsets)}
    present |= {str(int(whole[1])) for label in table.classes if (whole := _WHOLE.fullmatch(label))}
    absent = sorted(set(table.mapping) - present)
    if table.unknown:
        raise unknown_classes_error(path, table.unknown, wording)
    if absent:
        raise SourceError(
            f"{path}: {wording.key} names {', '.join(absent)}, but the table has "
            f"{', '.join(sorted(present))}; "
            "mend the names"
        )


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
    reader = csv.reader(itertools.chain([header_line], lines), delimiter=find_separator(header_line))
    number = num_good = 0
    first_problem = ""
    try:
        columns = find_columns(path, next(reader))
        table.columns = columns
        for cells in reader:
            check_count(path, reader.line_num, table.bounds)
            if not any(cells):
                continue
            number += 1
            row = _row(number, cells, table, columns)
            num_good += not row.problem
            first_problem = first_problem or row.problem
            yield row
    except csv.Error as error:
        raise SourceError(
            f"{path}: line {reader.line_num} is no CSV ({error}); fetch the file again"
        ) from error
    if not number:
        raise DataError(f"{path}: holds a header and no row; fetch it again")
    if not num_good:
        raise DataError(
            f"{path}: none of its {number:,} rows can be used; row 1: {first_problem}; expected one image a "
            "row "
            f"as in fer2013.csv: {NUM_PIXELS:,} numbers from 0 to 255 and an emotion (0-6 or a name); mend "
            "the file"
        )


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
    usage = "Training" if columns.usage is None else table.usage_of(cells[columns.usage].strip())
    if label is None or usage is None:
        return CsvRow(number, None, None, "")
    if len(columns.pixels) == 1:
        pixels = cells[columns.pixels[0]].strip()
    else:
        pixels = " ".join([cells[column].strip() for column in columns.pixels])
    subset = "train" if usage == "Training" else "test"
    file = f"{subset}/{label}/{usage}_row{number:05d}.jpg"
    return CsvRow(number, Place(file, label, usage, emotion, file), parse_pixels(pixels), "")


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
