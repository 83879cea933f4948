"""Rows of a table of images, whatever holds them, and what their labels and usages mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ferflow.data.sources.class_names import emotion_of
from ferflow.data.sources.path_labels import Place
from ferflow.data.sources.reading_errors import LayoutError, Wording, unknown_classes_error
from ferflow.data.sources.subset_names import SUBSETS, USAGE_OF, says_tested, subset_of
from ferflow.data.sources.table_columns import NUM_PIXELS, Columns
from ferflow.data.store import Images
from ferflow.errors import DataError, SourceError
from ferflow.labels import CSV_EMOTIONS, EMOTIONS, IMAGE_SIZE, USAGES
from ferflow.params import DownloadParams

_LONGEST_LABEL = 100
_WHOLE = re.compile(r"[+]?(\d+)(?:[.,]0*)?")  # A comma: as programs set for Europe write 0.0.


@dataclass(frozen=True)
class CsvRow:
    """One row: a place and a picture, or a problem and neither.

    A row that the map leaves out has nothing of it.

    Attributes:
        number: From 1 on.
        place: Where the image belongs.
        image: (48, 48) uint8 of a row of pixels; of an encoded picture, once it is decoded, the picture, or
            the (48, 48) face where the picture is the face.
        problem: Why it cannot be used.
        name: The name of the row where a table is several files.
        content: The encoded picture; empty for a row of pixels.
        size: Width and height of the picture in its file, upright, in pixels.
    """

    number: int
    place: Place | None
    image: Images | None
    problem: str
    name: str = ""
    content: bytes = b""
    size: tuple[int, int] = (IMAGE_SIZE, IMAGE_SIZE)

    @property
    def called(self) -> str:
        """What messages and reports call the row."""
        return self.name or f"row {self.number}"


class BadRowError(Exception):
    """A row cannot be used; the message is the reason."""


@dataclass
class Table:
    """Rows of a table, and what was learnt of it while they were read.

    Attributes:
        named: Columns by other names than the usual ones.
        columns: The columns of the file; None before the first row.
        classes: Label as it is written to the emotion, None for what is left out.
        subsets: Usage as it is written to one of `USAGES`.
        unknown: Labels that say nothing, with their numbers of rows.
    """

    path: Path
    bounds: DownloadParams
    mapping: Mapping[str, str | None]
    named: Mapping[str, str] = field(default_factory=dict)
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
            whole = _WHOLE.fullmatch(cell) if len(cell) <= _LONGEST_LABEL else None
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

    def usage_elsewhere(self, cells: Sequence[str], columns: Columns) -> str:
        """The usage of a row of a table without a column of usages, as `usage_by_name`.

        Raises:
            LayoutError: Another column names a subset that never trains.
        """
        told = next((index for index in columns.others if says_tested(cells[index])), None)
        if told is not None:
            raise LayoutError(
                f"{self.path}: the column {columns.names[told]!r} holds {cells[told].strip()!r}, the name of "
                "a subset, and images that test or validate never train; rename the column to Usage, "
                "or take it out if it means something else"
            )
        return self.usage_by_name()

    def usage_by_name(self) -> str:
        """The usage that the file's own name tells, as `test.csv` does; Training where it tells none.

        Raises:
            LayoutError: It tells two.
        """
        known = subset_of(self.path.name.split(".")[0])
        if known.is_certain and known.kind == "mixed":
            raise LayoutError(
                f"{self.path}: is named after two subsets and has no column Usage, so which rows train "
                "cannot be told; rename it after the one that it holds, or add the column"
            )
        if not known.is_certain or known.kind not in USAGE_OF:
            return "Training"
        self.subsets[self.path.name] = USAGE_OF[known.kind]
        return USAGE_OF[known.kind]

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


def place_of_row(number: int, label: str, usage: str, cell: str) -> Place:
    """The place of a row, whose file is called in the shape of the Kaggle layout."""
    subset = "train" if usage == "Training" else "test"
    file = f"{subset}/{label}/{usage}_row{number:05d}.jpg"
    return Place(file, label, usage, cell, file, row=number)


def checked_rows(table: Table, rows: Iterable[CsvRow], *, wording: Wording) -> Iterator[CsvRow]:
    """Pass rows on, and say at their end what is wrong with all of them.

    Raises:
        DataError: There is no row, none can be used, or labels are unknown.
        SourceError: The map names what is not there.
    """
    path = table.path
    num_all = num_good = 0
    first = ""
    for row in rows:
        num_all += 1
        num_good += not row.problem
        first = first or (row.problem and f"{row.called}: {row.problem}")
        yield row
    if not num_all:
        raise DataError(f"{path}: holds a header and no row; fetch it again")
    if not num_good:
        raise DataError(
            f"{path}: none of its {num_all:,} rows can be used; {first}; expected one image a row "
            f"as in fer2013.csv: {NUM_PIXELS:,} numbers from 0 to 255 and an emotion (0-6 or a name); "
            "correct the file"
        )
    present = {label.lower() for label in (*table.classes, *table.subsets)}
    present |= {str(int(whole[1])) for label in table.classes if (whole := _WHOLE.fullmatch(label))}
    absent = sorted(set(table.mapping) - present)
    if table.unknown:
        raise unknown_classes_error(path, table.unknown, wording)
    if absent:
        raise SourceError(
            f"{path}: {wording.key} names {', '.join(absent)}, but the table has "
            f"{', '.join(sorted(present))}; "
            "correct the names"
        )
