"""Images of any source, read into the same table; each source is a file in `data/origins/`.

An image that cannot be used is listed with its reason; how many of them are too many is the stage's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferflow.data import origins
from ferflow.data.fer_plus import votes_of_rows
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.parquet_table import is_parquet
from ferflow.data.sources.path_labels import Layout, Place
from ferflow.data.sources.reading import BadImage, read_pictures
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_reading import is_table, read_table
from ferflow.data.store import Images, ImageTable, pixel_hashes
from ferflow.errors import SourceError
from ferflow.files import sha256_of
from ferflow.labels import IMAGE_SIZE
from ferflow.params import DownloadParams


@dataclass(frozen=True)
class SourceContent:
    """What a source holds.

    Attributes:
        table: The usable images.
        bad_images: The others, by name.
        layout: How a folder or archive was read.
    """

    table: ImageTable
    bad_images: tuple[BadImage, ...]
    layout: Layout | None = None


def read_source(params: DownloadParams, *, seed: int) -> SourceContent:
    """Read all images of the source that the parameters name.

    Args:
        params: Source, path, checksum and bounds.
        seed: The seed of the sample.

    Returns:
        The table with columns file, label, usage, sha256 (of the pixels), and votes where `download.votes`
        names them; sorted by file for archives and in the order of the rows for a CSV.

    Raises:
        SourceError: The source is missing, damaged, refused, or not the one of `download.sha256`.
        DataError: The layout or the columns of the source are not those of FER-2013.
    """
    entry = origins.REGISTRY.get(params.source)
    if entry.has_path:
        check_path(params)
        _check_sha256(Path(params.path or ""), params.sha256)
    return entry.read(params, params.source_options, seed)


def check_path(params: DownloadParams) -> None:
    """See that the source's file or folder, where it has one, is there.

    Raises:
        SourceError: It is not, cannot be looked at, or is neither file nor folder.
    """
    if params.path is None:
        return
    path = Path(params.path)
    try:
        path.stat()
    except FileNotFoundError:
        raise SourceError(f"{path}: not found; correct download.path") from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"download.path: {params.path!r} cannot be looked at ({error}); correct it"
        ) from error
    if not (path.is_file() or path.is_dir()):
        raise SourceError(f"{path}: is a pipe or device; set download.path to a file or folder")


def read_archive(path: Path, params: DownloadParams) -> SourceContent:
    """Read an archive or a folder of class folders.

    Raises:
        SourceError: It is missing, damaged, over a bound, or holds a refused member.
        DataError: Its layout cannot be told.
    """
    mapping = parse_map(params.map, option=Wording().key)
    try:
        found = read_pictures(path, params, mapping=mapping, wording=Wording(), cut=None)
    except SourceError as error:
        if path.is_dir() or is_parquet(path) or not is_table(path, params):
            raise
        raise SourceError(
            f"{path}: is a table, expected an archive or folder; use download.source csv"
        ) from error
    return SourceContent(_table(found.places, found.faces), found.bad_images, found.layout)


def read_rows(path: Path, params: DownloadParams, *, named: Mapping[str, str] | None = None) -> SourceContent:
    """Read a table.

    Args:
        path: The path of the file, or of a folder of Parquet files.
        params: Bounds and map.
        named: `emotion` or `pixels` to the name of its column; the others are found by the usual names.

    Raises:
        SourceError: It is missing, damaged or over a bound.
        DataError: A column is missing, or its labels cannot be told.
    """
    mapping = parse_map(params.map, option=Wording().key)
    found = read_table(path, params, mapping=mapping, wording=Wording(), cut=None, named=named)
    table = _table(found.places, found.faces)
    if params.votes is not None:
        num_rows = len(table) + len(found.bad_images) + len(found.layout.left_out)
        rows = [place.row for place in found.places]
        votes = votes_of_rows(
            Path(params.votes), table=path, num_rows=num_rows, rows=rows, usages=table["usage"].tolist()
        )
        table = table.with_column("votes", votes)
    return SourceContent(table, found.bad_images, found.layout)


def _check_sha256(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    if path.is_dir():
        raise SourceError(f"{path}: a folder has no checksum; set download.sha256 to null")
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: not found; set download.path to the file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); see its permissions") from error
    if found != expected:
        raise SourceError(
            f"{path}: sha256 is {found}, but download.sha256 expects {expected}; "
            "fetch the file again, or set the key to the sum of the file that you mean"
        )


def _table(places: Sequence[Place], images: Sequence[Images]) -> ImageTable:
    stack = np.stack(images) if images else np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    columns = {
        "file": np.array([place.file for place in places], dtype=np.str_),
        "label": np.array([place.label for place in places], dtype=np.str_),
        "usage": np.array([place.usage for place in places], dtype=np.str_),
        "sha256": pixel_hashes(stack),
    }
    return ImageTable(stack, columns)
