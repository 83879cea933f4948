"""Which columns of a table hold emotion, pixels and usage, whatever its separator and spelling."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ferflow.errors import DataError
from ferflow.labels import IMAGE_SIZE

SEPARATORS = ",;\t|"
NUM_PIXELS = IMAGE_SIZE * IMAGE_SIZE
_EMOTION = ("emotion", "emotions", "expression", "label", "labels", "class", "target")
_PIXELS = ("pixels", "pixel", "pixel_values", "image", "img", "image_bytes")
_USAGE = ("usage", "split", "subset", "set")
_NUMBERED = re.compile(r"(?P<stem>\D*)(?P<number>\d+)")
_FEWEST_PIXEL_COLUMNS = 64
# The columns of FER+'s fer2013new.csv.
_FER_PLUS = frozenset({"neutral", "happiness", "contempt", "unknown", "nf"})
_NUM_SHOWN = 8


@dataclass(frozen=True)
class Columns:
    """Where the cells of a row are.

    Attributes:
        names: The names of all columns, as in the file.
        emotion: Index of the label.
        pixels: Index of the one column of pixels, or of 2,304 of them, row by row from the top left.
        usage: Index of the usage; None: the table says none.
        has_fer_numbers: Whether numbers are FER-2013's: they are in a column `emotion`, and may be others
            in one called `label`.
    """

    names: tuple[str, ...]
    emotion: int
    pixels: tuple[int, ...]
    usage: int | None
    has_fer_numbers: bool

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Indices of the columns that are not read."""
        used = {self.emotion, self.usage, *self.pixels}
        return tuple(index for index in range(len(self.names)) if index not in used)


def find_separator(header: str) -> str:
    """The separator with which a header has most columns that are known; a comma where none has."""

    def num_known(separator: str) -> int:
        names = {_plain(name) for name in header.split(separator)}
        return sum(bool(names & set(known)) for known in (_EMOTION, _PIXELS, _USAGE)) * 10_000 + len(names)

    known = {separator: num_known(separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: known[separator])


def find_columns(path: Path, header: Sequence[str], named: Mapping[str, str] | None = None) -> Columns:
    """Find the columns by their names.

    Args:
        path: The path of the table, for errors.
        header: The names of its columns.
        named: `emotion` or `pixels` to the name of its column, where it is none of the usual ones.

    Raises:
        DataError: One is missing; says what was found, and what the file is where that is known.
    """
    names = [_plain(name) for name in header]
    for role, name in (named or {}).items():
        if name not in header:
            raise DataError(f"{path}: has no column {name!r}; name one that it has: {', '.join(header)}")
        names = ["" if known == role else known for known in names]
        names[header.index(name)] = role
    if set(names) >= _FER_PLUS:
        raise DataError(
            f"{path}: holds the votes of FER+ and no pixels, which label the rows of fer2013.csv; set "
            "download.path to fer2013.csv and download.votes to this file"
        )
    _check_distinct(path, names)
    emotion = _first(names, _EMOTION)
    pixels = _pixel_columns(path, names)
    missing = [name for name, found in (("emotion", emotion is None), ("pixels", not pixels)) if found]
    if emotion is None or not pixels:
        found = ", ".join(name.strip()[:20] or "(no name)" for name in header[:_NUM_SHOWN])
        found += f" and {len(header) - _NUM_SHOWN:,} more" if len(header) > _NUM_SHOWN else ""
        raise DataError(
            f"{path}: column {' and '.join(missing)} missing from the header (found: {found}); expected "
            f"emotion, pixels (or {NUM_PIXELS:,} columns pixel0 to pixel{NUM_PIXELS - 1}) and Usage, as in "
            "fer2013.csv: add or rename the columns"
        )
    return Columns(
        names=tuple(header),
        emotion=emotion,
        pixels=pixels,
        usage=_first(names, _USAGE),
        has_fer_numbers=_plain(header[emotion]).startswith("emotion"),
    )


def _check_distinct(path: Path, names: Sequence[str]) -> None:
    """See that no column that is read comes twice: which one counts cannot be told.

    Raises:
        DataError: One does.
    """
    known = {name for name in names if name in (*_EMOTION, *_PIXELS, *_USAGE)}
    twice = sorted(name for name in known if names.count(name) > 1)
    if twice:
        raise DataError(f"{path}: has the column {twice[0]} twice; take one out or rename it")


def _plain(name: str) -> str:
    return name.strip().strip("\"'\ufeff").strip().lower()


def _first(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _pixel_columns(path: Path, names: Sequence[str]) -> tuple[int, ...]:
    one = _first(names, _PIXELS)
    if one is not None:
        return (one,)
    by_stem: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, name in enumerate(names):
        match = _NUMBERED.fullmatch(name)
        if match:
            by_stem[match["stem"]].append((int(match["number"]), index))
    numbered = max(by_stem.values(), key=len, default=[])
    if len(numbered) < _FEWEST_PIXEL_COLUMNS:
        return ()
    if len(numbered) != NUM_PIXELS:
        raise DataError(
            f"{path}: has {len(numbered):,} columns of pixels, {names[numbered[0][1]]} to "
            f"{names[numbered[-1][1]]}; expected {NUM_PIXELS:,} of a {IMAGE_SIZE}x{IMAGE_SIZE} image: resize "
            "the images, or write them as files into a folder for each class"
        )
    numbers, indices = zip(*sorted(numbered), strict=True)
    if numbers != tuple(range(numbers[0], numbers[0] + NUM_PIXELS)):
        raise DataError(
            f"{path}: its {NUM_PIXELS:,} columns of pixels are not numbered one after the other, each once; "
            f"name them pixel0 to pixel{NUM_PIXELS - 1}, row by row from the top left"
        )
    return tuple(indices)
