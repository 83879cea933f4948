"""The images of a table with their places: what download, evaluate --data and inspect share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ferflow.data.archives.packed_table import PACKINGS, TABLES, holds_table
from ferflow.data.sources.fer_csv import Table, read_fer_csv
from ferflow.data.sources.path_labels import Layout, Place
from ferflow.data.sources.reading import BadImage, Cut, Pictures
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.store import Images
from ferflow.labels import IMAGE_SIZE
from ferflow.params import DownloadParams
from ferflow.progress import track


def is_table(path: Path) -> bool:
    """Whether a path leads to a table and not to images, by its name and what is packed in it."""
    if path.is_dir():
        return False
    name = path.name.lower()
    if name.endswith(TABLES) or any(name.endswith(f"{end}{packed}") for end in TABLES for packed in PACKINGS):
        return True
    return holds_table(path)


def read_table(
    path: Path,
    bounds: DownloadParams,
    *,
    mapping: Mapping[str, str | None],
    wording: Wording,
    cut: Cut | None,
) -> Pictures:
    """Read all images of a table, in the order of its rows.

    Args:
        path: Of the table, packed or not.
        bounds: What is too many, too large or packed too well.
        mapping: Of `parse_map`, for labels and usages.
        wording: What messages call the map.
        cut: Finds the face in a picture; None: the picture is the face.

    Raises:
        SourceError: It is missing, damaged, over a bound, or no table.
        DataError: A column is missing, or its labels cannot be told.
    """
    table = Table(path, bounds, mapping)
    places: list[Place] = []
    faces: list[Images] = []
    bad: list[BadImage] = []
    without_face: list[str] = []
    left_out: list[str] = []
    for row in track(read_fer_csv(table, wording=wording), total=None, label="reading rows"):
        if row.problem:
            bad.append(BadImage(f"row {row.number}", row.problem))
        elif row.place is None or row.image is None:
            left_out.append(f"row {row.number}")
        else:
            face = row.image if cut is None else cut(row.image)
            if face is None:
                without_face.append(row.place.file)
            else:
                places.append(row.place)
                faces.append(face)
    return Pictures(
        places, faces, tuple(bad), tuple(without_face), float(IMAGE_SIZE), _layout(table, places, left_out)
    )


def _layout(table: Table, places: list[Place], left_out: list[str]) -> Layout:
    remarks = []
    if table.columns is not None and table.columns.usage is None:
        remarks.append(f"{table.path}: has no column Usage, so all of its rows count as Training")
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
