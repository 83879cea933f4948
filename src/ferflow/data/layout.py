"""What a path inside a source says: the image's label and usage, by the Kaggle layout.

`train/<emotion>/<file>` and `test/<emotion>/<file>`, or `<emotion>/<file>` for data without a
split; folders above that are dropped. The usage comes from the file name where it starts as
FER-2013's do (`Training_`, `PublicTest_`, `PrivateTest_`), else from the folder: train is
Training, test is PrivateTest, no folder is Training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferflow.errors import DataError
from ferflow.labels import EMOTIONS, USAGES

_SUBSET_USAGES = {"train": ("Training",), "test": ("PrivateTest", "PublicTest")}  # the first by default
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# What operating systems leave in every folder; names with a leading dot are passed over, too.
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Place:
    """Where an image belongs.

    Attributes:
        file: Path from `train`, `test` or the emotion's folder on, such as
            `train/angry/Training_3908.jpg`.
        label: One of `EMOTIONS`.
        usage: One of `USAGES`.
        subset: `train`, `test`, or "" for a layout without those folders.
    """

    file: str
    label: str
    usage: str
    subset: str


def place_of(name: str, *, source: Path) -> Place | None:
    """Read the place off a path inside a source.

    Args:
        name: Path with `/`.
        source: What holds it, for the message.

    Returns:
        None for a file that is no part of the data set: hidden ones, operating systems' litter,
        and files outside the emotions' folders that are no images.

    Raises:
        DataError: An image lies in a folder that is no emotion, or name and folder disagree.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if any(part.startswith(".") or part.lower() in _LITTER for part in parts):
        return None
    label = parts[-2].lower() if len(parts) > 1 else ""
    subset = parts[-3].lower() if len(parts) > 2 else ""
    if label not in EMOTIONS:
        if not name.lower().endswith(_IMAGE_SUFFIXES):
            return None
        raise DataError(
            f"{source}: {name} lies in folder {'/'.join(parts[:-1]) or '.'}, which is no emotion; expected "
            f"train/<emotion>/, test/<emotion>/ or <emotion>/ with emotions {', '.join(EMOTIONS)}; "
            "rename the folder or take it out"
        )
    if subset not in _SUBSET_USAGES:
        subset = ""
    file = "/".join(parts[-3:] if subset else parts[-2:])
    return Place(file, label, _usage_of(parts[-1], subset, name, source), subset)


def _usage_of(file_name: str, subset: str, name: str, source: Path) -> str:
    allowed = _SUBSET_USAGES.get(subset, USAGES)
    for usage in USAGES:
        if file_name.startswith(f"{usage}_"):
            if usage not in allowed:
                raise DataError(
                    f"{source}: {name} is named {usage} but lies in {subset}/, which holds "
                    f"{' and '.join(sorted(allowed))}; move or rename it"
                )
            return usage
    return allowed[0]


def check_places(places: list[Place], *, source: Path) -> None:
    """See that the images of a source fit together.

    Raises:
        DataError: There is no image, layouts with and without train/ and test/ are mixed, or two
            images share a path.
    """
    if not places:
        raise DataError(
            f"{source}: holds no image in a folder train/<emotion>/, test/<emotion>/ or <emotion>/ with "
            f"emotions {', '.join(EMOTIONS)}; see that it is the right one (a .csv needs download.source csv)"
        )
    bare = next((place for place in places if not place.subset), None)
    if bare is not None and any(place.subset for place in places):
        raise DataError(
            f"{source}: {bare.file} lies outside train/ and test/, others inside; use one of the two layouts"
        )
    seen: set[str] = set()
    for place in places:
        if place.file in seen:
            raise DataError(f"{source}: holds {place.file} twice; take one out or rename it")
        seen.add(place.file)
