"""Images that are scored beside the test subset: CK+, JAFFE, photos of one's own, a table of pixels.

Read as the stage download reads them (`reading`, `fer_csv`), with the bounds of `evaluate --data` and, for
photos, a search for the face in each picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferflow.data.sources.path_labels import Layout
from ferflow.data.sources.reading import BadImage, Cut, read_pictures
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_reading import is_table, read_table
from ferflow.data.store import Images, ImageTable, pixel_hashes
from ferflow.errors import DataError, SourceError
from ferflow.labels import IMAGE_SIZE
from ferflow.params import DownloadParams

_NUM_NAMED = 5
WORDING = Wording("--map")


@dataclass(frozen=True)
class ClassFolder:
    """The faces of a folder, and what could not be used.

    Attributes:
        path: The path of the folder.
        table: Faces with columns file, folder, label, usage and sha256 (of the pixels), sorted by file.
        bad_images: Files that cannot be read as a picture.
        without_face: Pictures in which no face was found.
        median_side: The median of the pictures' shorter sides, in pixels.
        layout: How the folder was read.
    """

    path: Path
    table: ImageTable
    bad_images: tuple[BadImage, ...]
    without_face: tuple[str, ...]
    median_side: float
    layout: Layout


def read_class_folder(
    path: Path, bounds: DownloadParams, *, mapping: Mapping[str, str | None], cut: Cut | None
) -> ClassFolder:
    """Read the faces of the classes that are used.

    Args:
        path: Folder, zip or tar of class folders, or a table of pixels.
        bounds: What is too many, too large or packed too well.
        mapping: What `parse_map` gave; wins over the known names.
        cut: Finds the face in a picture; None: the picture is the face, as in the data set.

    Raises:
        SourceError: It cannot be read, or `mapping` names a folder that it has not.
        DataError: Its classes or subsets cannot be told, or it has no image.
    """
    if not path.exists():
        raise SourceError(
            f"{path}: not found; give --data a folder whose subfolders are the classes, an archive or a table"
        )
    read = read_table if is_table(path, bounds) else read_pictures
    found = read(path, bounds, mapping=mapping, wording=WORDING, cut=cut)
    rows = [(place.file, place.folder, place.label, place.usage) for place in found.places]
    names = np.array(rows, dtype=np.str_).reshape(len(rows), 4)
    stack: Images = np.stack(found.faces) if rows else np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    columns = {name: names[:, index] for index, name in enumerate(("file", "folder", "label", "usage"))}
    table = ImageTable(stack, columns | {"sha256": pixel_hashes(stack)})
    return ClassFolder(path, table, found.bad_images, found.without_face, found.median_side, found.layout)


def check_usable(content: ClassFolder, *, max_bad_share: float) -> None:
    """See that not too many pictures are bad, and that a face is left.

    Raises:
        DataError: Otherwise; names the first few.
    """
    num_bad = len(content.bad_images)
    num_all = num_bad + len(content.without_face) + len(content.table)
    if num_bad > max_bad_share * num_all:
        named = "\n".join(f"  {bad.name}: {bad.reason}" for bad in content.bad_images[:_NUM_NAMED])
        more = f"\n  and {num_bad - _NUM_NAMED:,} more" if num_bad > _NUM_NAMED else ""
        raise DataError(
            f"{content.path}: {num_bad:,} of {num_all:,} images cannot be used, more than the share "
            f"{max_bad_share:g} of --max-bad-share; correct them, take them out, or raise the "
            f"option:\n{named}{more}"
        )
    if len(content.table) == 0:
        raise DataError(
            f"{content.path}: no face was found in any of {num_all:,} pictures; where the pictures are "
            "cut-out faces already, use --faces whole"
        )


def count_by_folder(content: ClassFolder) -> dict[str, dict[str, str | int]]:
    """Class folder to its emotion and the numbers of its files and of its faces."""
    found = Counter(content.table["folder"].tolist())
    return {
        folder: {
            "emotion": emotion or "left out",
            "files": content.layout.num_by_folder.get(folder, 0),
            "scored": found[folder],
        }
        for folder, emotion in content.layout.classes.items()
    }
