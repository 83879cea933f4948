"""The votes of FER+: ten people's answers about each image of FER-2013 (Barsoum et al. 2016).

The file `fer2013new.csv` (arXiv:1608.01041) has a row for each row of `fer2013.csv`, in the same order: the
usage, the name of an image, and how many of ten people chose each of eight emotions, `unknown` or `NF` (not a
face). FER-2013's own labels stay the labels of a run; the votes are carried beside them.

A class that got a single vote counts as an outlier and is left out, and a majority is more than half of the
votes that are left: the rules of the paper's authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Column, read_csv
from ferflow.errors import DataError, SourceError
from ferflow.labels import EMOTIONS

# The columns of votes, in the order of the published file; the seven emotions as ferflow calls them.
CHOICES = (
    "neutral",
    "happy",
    "surprise",
    "sad",
    "angry",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not_a_face",
)
_PUBLISHED = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
_USAGE = "Usage"
_MOST_VOTES = 255
_OUTLIER = 1
_UNKNOWN = CHOICES.index("unknown")
# Place of each of `EMOTIONS` among the choices.
_SEVEN = [CHOICES.index(emotion) for emotion in EMOTIONS]

Votes = NDArray[np.uint8]


def read_votes(path: Path) -> tuple[Column, Votes]:
    """Read a file of votes.

    Returns:
        (N,) usage and (N, 10) uint8 votes in the order of `CHOICES`, one row for each row of `fer2013.csv`.

    Raises:
        SourceError: The file is missing or no table, lacks a column, or holds something else than votes.
    """
    try:
        columns = {name.strip("\ufeff ").lower(): values for name, values in read_csv(path, ()).items()}
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ").partition("; run")[0]
        raise SourceError(
            f"download.votes: {path}: {reason}; expected FER+'s fer2013new.csv, or null for no votes"
        ) from error
    missing = [name for name in (_USAGE, *_PUBLISHED) if name.lower() not in columns]
    if missing:
        raise SourceError(
            f"download.votes: {path} lacks the columns {', '.join(missing)} (found: {', '.join(columns)}); "
            f"expected those of FER+'s fer2013new.csv: {_USAGE}, Image name, {', '.join(_PUBLISHED)}"
        )
    votes = np.zeros((len(columns[_USAGE.lower()]), len(CHOICES)), np.uint8)
    for index, name in enumerate(_PUBLISHED):
        votes[:, index] = _counts(path, name, columns[name.lower()])
    return columns[_USAGE.lower()], votes


def _counts(path: Path, name: str, cells: Column) -> NDArray[np.int64]:
    """A column of votes as whole numbers."""
    for number, cell in enumerate(cells.tolist(), start=1):
        if not _is_count(cell.strip()):
            raise SourceError(
                f"download.votes: {path} row {number} has {cell[:20]!r} in the column {name}, expected a "
                "number of votes, such as 4; correct the row, or fetch the file again"
            )
    return np.array([int(cell) for cell in cells.tolist()], np.int64)


def _is_count(text: str) -> bool:
    return (
        text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_VOTES)) and int(text) <= _MOST_VOTES
    )


def votes_of_rows(
    path: Path, *, table: Path, num_rows: int, rows: Sequence[int], usages: Sequence[str]
) -> Column:
    """The votes of the usable rows of a table, as cells of the index.

    Args:
        path: The path of the votes.
        table: That they label, for messages.
        num_rows: Rows of the table, usable or not.
        rows: Number of each usable row, from 1 on.
        usages: Published subset of each usable row, one of `ferflow.labels.USAGES`.

    Returns:
        (N,) text: ten numbers with blanks between them.

    Raises:
        SourceError: The votes cannot be read, or are not those of this table's rows in its order.
    """
    said, votes = read_votes(path)
    cure = "give the whole fer2013.csv and FER+'s fer2013new.csv as they are published, unsorted, or set "
    cure += "download.votes to null"
    if len(votes) != num_rows:
        raise SourceError(
            f"download.votes: {path} has {len(votes):,} rows, but {table} has {num_rows:,}; a row of votes "
            f"is expected for each image, in the same order: {cure}"
        )
    for row, usage in zip(rows, usages, strict=True):
        if said[row - 1].strip() != usage:
            raise SourceError(
                f"download.votes: row {row} of {path} is of usage {str(said[row - 1])[:20]!r}, but row {row} "
                f"of {table} is of {usage!r}, so that the two are not in the same order: {cure}"
            )
    chosen = votes[np.asarray(rows, np.int64) - 1]
    return np.array([" ".join(map(str, row)) for row in chosen.tolist()], dtype=np.str_)


def parse_votes(cells: Column, *, path: Path) -> Votes:
    """The votes of an index, (N, 10) uint8.

    Raises:
        DataError: A cell is no ten numbers.
    """
    found = np.zeros((len(cells), len(CHOICES)), np.uint8)
    for row, cell in enumerate(cells.tolist()):
        numbers = cell.split()
        if len(numbers) != len(CHOICES) or not all(map(_is_count, numbers)):
            raise DataError(
                f"{path}: row {row + 1} has the votes {cell[:40]!r}, expected {len(CHOICES)} numbers; "
                "run the download stage again"
            )
        found[row] = [int(number) for number in numbers]
    return found


def without_outliers(votes: Votes) -> Votes:
    """The votes without classes that got a single one."""
    return np.where(votes > _OUTLIER, votes, 0).astype(np.uint8)


def majority(votes: Votes) -> NDArray[np.int64]:
    """The choice of most people, (N,) index into `CHOICES`; `unknown` where no choice has more than half.

    Args:
        votes: (N, 10) uint8.
    """
    kept = without_outliers(votes).astype(np.int64)
    chosen = kept.argmax(axis=1)
    is_clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(is_clear, chosen, _UNKNOWN)


def majority_labels(votes: Votes) -> tuple[NDArray[np.int64], dict[str, int]]:
    """The majority as a label of ferflow's.

    Args:
        votes: (N, 10) uint8.

    Returns:
        (N,) index into `EMOTIONS`, -1 where the majority is none of the seven; and why it is none: numbers of
        images of contempt, unknown (no majority among them) and not a face.
    """
    chosen = majority(votes)
    place = np.full(len(CHOICES), -1, np.int64)
    place[_SEVEN] = np.arange(len(EMOTIONS))
    others = {
        name: int((chosen == index).sum()) for index, name in enumerate(CHOICES) if name not in EMOTIONS
    }
    return place[chosen], others


def soft_labels(votes: Votes, labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Shares of the votes among the seven emotions, (N, 7) float32, rows adding up to 1.

    Votes for contempt, unknown and not a face are left out, and so are single ones; an image without other
    votes keeps its own label.

    Args:
        votes: (N, 10) uint8.
        labels: (N,) index into `EMOTIONS`.
    """
    kept = without_outliers(votes)[:, _SEVEN].astype(np.float32)
    totals = kept.sum(axis=1, keepdims=True)
    own = np.eye(len(EMOTIONS), dtype=np.float32)[labels]
    return np.asarray(np.where(totals > 0, kept / np.maximum(totals, 1), own), np.float32)
