"""The images of a table with their places: what download, evaluate --data and inspect share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from ferflow.data.archives.packed_table import PACKINGS, TABLES, holds_table
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.decoding.pictures import Picture
from ferflow.data.sources.fer_csv import read_fer_csv
from ferflow.data.sources.parquet_table import is_parquet, parquet_rows
from ferflow.data.sources.path_labels import Layout, Place
from ferflow.data.sources.reading import BadImage, Cut, Observe, Pictures
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_rows import CsvRow, Table, checked_rows
from ferflow.data.store import Images
from ferflow.errors import BadImageError
from ferflow.params import DownloadParams
from ferflow.progress import track


def is_table(path: Path, bounds: DownloadParams) -> bool:
    """Whether a path leads to a table and not to images, by its name and what is packed in it."""
    if is_parquet(path):
        return True
    if path.is_dir():
        return False
    name = path.name.lower()
    if name.endswith(TABLES) or any(name.endswith(f"{end}{packed}") for end in TABLES for packed in PACKINGS):
        return True
    return holds_table(path, bounds)


def read_table(
    path: Path,
    bounds: DownloadParams,
    *,
    mapping: Mapping[str, str | None],
    wording: Wording,
    cut: Cut | None,
    observe: Observe | None = None,
    named: Mapping[str, str] | None = None,
) -> Pictures:
    """Read all images of a table, in the order of its rows.

    Args:
        path: The path of the table, packed or not.
        bounds: What is too many, too large or packed too well.
        mapping: What `parse_map` gave, for labels and usages.
        wording: What messages call the map.
        cut: Finds the face in a picture; None: the picture is the face.
        observe: Called with the bytes of each encoded picture and its size.
        named: Columns by other names than the usual ones, as `find_columns` takes them.

    Raises:
        SourceError: It is missing, damaged, over a bound, or no table.
        DataError: A column is missing, or its labels cannot be told.
    """
    table = Table(path, bounds, mapping, named or {})
    places: list[Place] = []
    faces: list[Images] = []
    bad: list[BadImage] = []
    without_face: list[str] = []
    left_out: list[str] = []
    sides: list[int] = []
    if is_parquet(path):
        rows = checked_rows(
            table, _with_pictures(parquet_rows(table), bounds, whole=cut is None), wording=wording
        )
    else:
        rows = read_fer_csv(table, wording=wording)
    for row in track(rows, total=None, label="reading rows", unit="rows"):
        if row.problem:
            bad.append(BadImage(row.called, row.problem))
        elif row.place is None or row.image is None:
            left_out.append(row.called)
        else:
            sides.append(min(row.size))
            if observe is not None and row.content:
                observe(row.content, row.size)
            face = row.image if cut is None else cut(row.image)
            if face is None:
                without_face.append(row.place.file)
            else:
                places.append(row.place)
                faces.append(face)
    side = float(np.median(sides)) if sides else 0.0
    return Pictures(places, faces, tuple(bad), tuple(without_face), side, _layout(table, places, left_out))


def _with_pictures(rows: Iterator[CsvRow], bounds: DownloadParams, *, whole: bool) -> Iterator[CsvRow]:
    """The rows, with their encoded pictures decoded: to faces where the whole picture is the face."""
    limit = "download.max_image_pixels"
    with DecodeBox() as box:
        for is_encoded, some in groupby(rows, key=lambda row: bool(row.content)):
            if not is_encoded:
                yield from some
            elif whole:
                pairs = ((row, row.content) for row in some)
                for row, answer in box.faces(pairs, max_pixels=bounds.max_image_pixels, limit=limit):
                    yield _with_picture(row, answer)
            else:
                for row in some:
                    try:
                        answer = box.picture(row.content, max_pixels=bounds.max_image_pixels, limit=limit)
                    except BadImageError as error:
                        yield _with_picture(row, error)
                    else:
                        yield _with_picture(row, answer)


def _with_picture(row: CsvRow, answer: Picture | BadImageError) -> CsvRow:
    if isinstance(answer, BadImageError):
        return replace(row, place=None, problem=str(answer))
    return replace(row, image=answer.pixels, size=(answer.width, answer.height))


def _layout(table: Table, places: list[Place], left_out: list[str]) -> Layout:
    remarks = []
    if table.columns is not None and table.columns.usage is None:
        usages = sorted({usage for usage in table.subsets.values() if usage}) or ["Training"]
        remarks.append(
            f"{table.path}: has no column Usage, so all of its rows count as {' and '.join(usages)}"
        )
    return Layout(
        places={place.file: place for place in places},
        classes=dict(sorted(table.classes.items())),
        subsets={name: (usage,) for name, usage in sorted(table.subsets.items()) if usage},
        num_by_folder=Counter(place.folder for place in places),
        left_out=tuple(left_out),
        outside=(),
        litter=(),
        others=(),
        remarks=tuple(remarks),
    )
