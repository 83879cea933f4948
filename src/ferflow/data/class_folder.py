"""A folder whose subfolders are classes, such as CK+, JAFFE or photos of one's own.

`<folder>/<class>/.../<image>`: what lies between class and image, such as a folder a person, does not
matter. Names of classes are taken in any case; the field's usual ones are known.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferflow.data.archives import printable
from ferflow.data.images import BadImageError, decode_image, to_grey_face
from ferflow.data.sources import BadImage
from ferflow.data.store import Images, ImageTable, pixel_hashes
from ferflow.errors import DataError, SourceError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.progress import track

# What the seven emotions are called elsewhere, JAFFE's two letters among it.
ALIASES = {
    "angry": ("anger", "an"),
    "disgust": ("disgusted", "di"),
    "fear": ("fearful", "afraid", "scared", "fe"),
    "happy": ("happiness", "joy", "joyful", "ha"),
    "neutral": ("neutrality", "ne"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "su"),
}
_IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".dib",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
)
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_NUM_NAMED = 5

# A picture to the (48, 48) uint8 face in it; None where there is none.
Cut = Callable[[Images], Images | None]


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, before they are read.

    Attributes:
        path: The folder.
        emotions: Class folder to emotion; None for a class that is left out.
        files: (class folder, path below the folder), sorted.
        num_other_files: Files that are no images by their names, or lie outside the classes.
    """

    path: Path
    emotions: dict[str, str | None]
    files: list[tuple[str, Path]]
    num_other_files: int

    def num_files(self, folder: str) -> int:
        """Image files of a class."""
        return sum(name == folder for name, _ in self.files)


@dataclass(frozen=True)
class ClassFolder:
    """The faces of a folder, and what could not be used.

    Attributes:
        table: Faces with columns file, folder, label and sha256 (of the pixels), sorted by file.
        bad_images: Files that cannot be read as a picture.
        without_face: Pictures in which no face was found.
        median_side: Of the pictures' shorter sides, in pixels.
    """

    table: ImageTable
    bad_images: tuple[BadImage, ...]
    without_face: tuple[str, ...]
    median_side: float


def parse_map(entries: Sequence[str]) -> dict[str, str | None]:
    """Read `NAME=EMOTION` (count a class as an emotion) and `NAME=` (leave it out).

    Returns:
        Name in lower case to emotion, None for what is left out.

    Raises:
        SourceError: An entry has no `=`, names no emotion, or a name comes twice.
    """
    mapping: dict[str, str | None] = {}
    for entry in entries:
        name, sign, emotion = (part.strip() for part in entry.partition("="))
        if not sign or not name:
            raise SourceError(f"--map {entry!r}: expected NAME=EMOTION, or NAME= to leave the class out")
        if emotion and _known(emotion) is None:
            raise SourceError(
                f"--map {entry!r}: {emotion!r} is no emotion; expected one of {', '.join(EMOTIONS)}, or "
                f"'{name}=' to leave the class out"
            )
        if name.lower() in mapping:
            raise SourceError(f"--map names {name!r} twice; keep one of the two")
        mapping[name.lower()] = _known(emotion) if emotion else None
    return mapping


def list_class_folder(path: Path, mapping: Mapping[str, str | None]) -> Listing:
    """Find the classes of a folder and their image files.

    Args:
        path: The folder.
        mapping: Of `parse_map`; wins over the known names.

    Raises:
        SourceError: The folder cannot be read, has no class, has one that is not known, or `mapping`
            names one that it has not.
        DataError: No class that is used has an image file.
    """
    try:
        if not path.is_dir():
            found = "is no folder" if path.exists() else "not found"
            raise SourceError(f"{path}: {found}; --data takes a folder whose subfolders are the classes")
        entries = sorted(path.iterdir())
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); see its permissions") from error
    folders = [entry for entry in entries if entry.is_dir() and not _is_litter(entry.name)]
    emotions = _emotions_of(path, [_text(folder.name) for folder in folders], mapping)
    num_other = sum(not entry.is_dir() and not _is_litter(entry.name) for entry in entries)
    files = []
    for folder in folders:
        for file in _files_below(folder):
            if file.suffix.lower() in _IMAGE_SUFFIXES:
                files.append((_text(folder.name), file.relative_to(path)))
            else:
                num_other += 1
    if not any(emotions[folder] for folder, _ in files):
        raise DataError(
            f"{path}: no image file in the classes {', '.join(emotions)}; expected files that end in "
            f"{', '.join(_IMAGE_SUFFIXES)}"
        )
    return Listing(path, emotions, sorted(files, key=lambda item: item[1].as_posix()), num_other)


def read_class_folder(listing: Listing, *, max_pixels: int, max_bytes: int, cut: Cut | None) -> ClassFolder:
    """Read the faces of the classes that are used.

    Args:
        listing: What to read.
        max_pixels: Width times height that a picture may claim.
        max_bytes: Size that a file may have.
        cut: Finds the face in a picture; None: the picture is the face, as in the data set.
    """
    faces: list[Images] = []
    rows: list[tuple[str, str, str]] = []
    bad: list[BadImage] = []
    without_face: list[str] = []
    sides: list[int] = []
    used = [(folder, file) for folder, file in listing.files if listing.emotions[folder]]
    for folder, file in track(used, total=len(used), label="reading images"):
        name = _text(file.as_posix())
        try:
            picture = _decode(listing.path / file, max_pixels=max_pixels, max_bytes=max_bytes)
        except BadImageError as error:
            bad.append(BadImage(name, str(error)))
            continue
        sides.append(min(picture.shape[:2]))
        face = to_grey_face(picture) if cut is None else cut(picture)
        if face is None:
            without_face.append(name)
            continue
        faces.append(face)
        rows.append((name, folder, str(listing.emotions[folder])))
    median_side = float(np.median(sides)) if sides else 0.0
    return ClassFolder(_table(faces, rows), tuple(bad), tuple(without_face), median_side)


def check_usable(content: ClassFolder, *, path: Path, max_bad_share: float) -> None:
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
            f"{path}: {num_bad:,} of {num_all:,} images cannot be used, more than the share "
            f"{max_bad_share:g} of --max-bad-share; mend them, take them out, or raise the "
            f"option:\n{named}{more}"
        )
    if len(content.table) == 0:
        raise DataError(
            f"{path}: no face was found in any of {num_all:,} pictures; where the pictures are cut-out "
            "faces already, use --faces whole"
        )


def _emotions_of(
    path: Path, folders: Sequence[str], mapping: Mapping[str, str | None]
) -> dict[str, str | None]:
    if not folders:
        raise SourceError(f"{path}: has no subfolder; --data takes a folder whose subfolders are the classes")
    absent = sorted(set(mapping) - {folder.lower() for folder in folders})
    if absent:
        raise SourceError(
            f"{path}: --map names {', '.join(absent)}, but its subfolders are {', '.join(folders)}; mend the "
            "names"
        )
    unknown = [folder for folder in folders if folder.lower() not in mapping and _known(folder) is None]
    if unknown:
        known = ", ".join(f"{emotion} ({', '.join(ALIASES[emotion])})" for emotion in EMOTIONS)
        raise SourceError(
            f"{path}: {', '.join(unknown)}: no known class; known are {known}. Count a class as an emotion "
            f"with --map '{unknown[0]}=EMOTION', or leave it out with --map '{unknown[0]}='"
        )
    return {folder: mapping.get(folder.lower(), _known(folder)) for folder in folders}


def _known(name: str) -> str | None:
    """The emotion of that name, in any case."""
    spoken = name.strip().lower()
    return next((emotion for emotion in EMOTIONS if spoken in (emotion, *ALIASES[emotion])), None)


def _decode(path: Path, *, max_pixels: int, max_bytes: int) -> Images:
    try:
        num_bytes = path.stat().st_size
        if num_bytes > max_bytes:
            raise BadImageError(f"has {num_bytes:,} bytes, more than download.max_member_bytes {max_bytes:,}")
        content = path.read_bytes()
    except OSError as error:
        raise BadImageError(f"cannot be read ({error.strerror})") from error
    return decode_image(content, max_pixels=max_pixels)


def _files_below(folder: Path) -> Iterator[Path]:
    """All files under a folder but hidden ones and litter; links to folders are not followed."""

    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename}: cannot be read ({error.strerror}); see its permissions")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _is_litter(name)]
        yield from (Path(place, name) for name in names if not _is_litter(name))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _text(name: str) -> str:
    return printable(os.fsencode(name))


def _table(faces: Sequence[Images], rows: Sequence[tuple[str, str, str]]) -> ImageTable:
    stack = np.stack(faces) if faces else np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    names = np.array(rows, dtype=np.str_).reshape(len(rows), 3)
    columns = {"file": names[:, 0], "folder": names[:, 1], "label": names[:, 2]}
    return ImageTable(stack, columns | {"sha256": pixel_hashes(stack)})


def count_by_folder(listing: Listing, content: ClassFolder) -> dict[str, dict[str, str | int]]:
    """Class folder to its emotion and the numbers of its files and of its faces."""
    found = Counter(content.table["folder"].tolist())
    return {
        folder: {
            "emotion": emotion or "left out",
            "files": listing.num_files(folder),
            "scored": found[folder],
        }
        for folder, emotion in listing.emotions.items()
    }
