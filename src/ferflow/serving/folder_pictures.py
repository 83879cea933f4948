"""The pictures and videos of a folder, by the rule that `download` and `evaluate --data` read folders by."""

from __future__ import annotations

import re
from pathlib import Path

from ferflow.data.archives.archives import start_of
from ferflow.data.archives.file_names import has_image_name, has_no_ending, is_litter, starts_as_image
from ferflow.data.archives.folder_source import list_folder

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_DIGITS = re.compile(r"(\d+)")


def pictures_below(folder: Path) -> tuple[list[Path], list[str]]:
    """The pictures and videos of a folder in natural order, and the names of other files.

    A picture is one by its name or, without an ending, by its first bytes. Hidden files and those of
    operating systems count as none. Links are followed inside the folder.

    Raises:
        SourceError: The folder cannot be read, holds too many files, or a link leads out of it.
    """
    from ferflow.params.scoring import usual_bounds  # Late: a single picture is read without parameters.

    found: list[Path] = []
    others: list[str] = []
    for file in list_folder(folder, usual_bounds()):
        if any(is_litter(part) for part in file.name.split("/")):
            continue
        if has_no_ending(file.name):
            is_wanted = starts_as_image(start_of(file.path))
        else:
            is_wanted = has_image_name(file.name) or file.path.suffix.lower() in VIDEOS
        if is_wanted:
            found.append(file.path)
        else:
            others.append(file.name)
    return sorted(found, key=_natural), others


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Key by which `face2` comes before `face10`."""
    parts = _DIGITS.split(str(path))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
