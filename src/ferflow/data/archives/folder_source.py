"""The files of a folder, one by one; links are followed as long as they stay inside.

A link that leads out of the folder is refused (what lies there is no part of the data), as is one to a
folder that holds it. Hidden and system folders are not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow.data.archives.bounds import check_count, check_name_length, check_total
from ferflow.data.archives.file_names import has_image_name, is_litter
from ferflow.data.archives.members import Member, printable, refuse_kind, unreadable
from ferflow.errors import SourceError

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone


@dataclass(frozen=True)
class FoundFile:
    """A file of a folder.

    Attributes:
        name: Path below the folder, printable.
        path: Where it is read from.
        size: In bytes; 0 for a link that leads nowhere.
    """

    name: str
    path: Path
    size: int


def list_folder(root: Path, bounds: DownloadParams) -> list[FoundFile]:
    """All files under a folder, in the order of names; a litter folder counts as one file.

    Raises:
        SourceError: It cannot be read, is over `max_members`, or holds a refused link or special file.
    """
    found: list[FoundFile] = []
    real = Path(os.path.realpath(root))
    for count, (path, size) in enumerate(_walk(root, root, real, (real,)), start=1):
        check_count(root, count, bounds)
        if size is not None:
            name = _name(root, path)
            check_name_length(root, name)
            found.append(FoundFile(name, path, size))
    return found


def read_folder(root: Path, bounds: DownloadParams, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Yield the wanted files; one that cannot be read, or is too large, has a problem and no content.

    Raises:
        SourceError: As of `list_folder`, or over `max_total_bytes`.
    """
    total = 0
    for file in list_folder(root, bounds):
        if not wanted(file.name):
            continue
        content, problem = _read(file, bounds.max_member_bytes)
        total += len(content)
        check_total(root, total, bounds)
        yield Member(file.name, content, problem)


def _read(file: FoundFile, max_bytes: int) -> tuple[bytes, str]:
    if file.size <= max_bytes:
        try:
            with file.path.open("rb") as stream:
                content = stream.read(max_bytes + 1)
        except OSError as error:
            return b"", f"cannot be read ({error.strerror}); see its permissions, or take it out"
        if len(content) <= max_bytes:
            return content, ""
    return b"", f"has {file.size:,} bytes, more than download.max_member_bytes {max_bytes:,}"


def _walk(root: Path, folder: Path, real: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, int | None]]:
    """Path and size of each file; folders come too, without a size, so that they are counted.

    Args:
        root: Where the walk began.
        folder: Where it is.
        real: The root without links.
        above: The folders that the walk is in, without links.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        statuses = [entry.stat(follow_symlinks=False) for entry in entries]
    except OSError as error:
        raise unreadable(folder, error) from error
    for entry, status in zip(entries, statuses, strict=True):
        path, mode = folder / entry.name, status.st_mode
        if is_litter(entry.name):
            yield path, status.st_size
        elif stat.S_ISDIR(mode):
            yield path, None
            yield from _walk(root, path, real, (*above, above[-1] / entry.name))
        elif stat.S_ISREG(mode):
            yield path, status.st_size
        elif stat.S_ISLNK(mode):
            yield from _follow(root, path, real, above)
        else:
            refuse_kind(root, _name(root, path), "a special file")


def _follow(root: Path, link: Path, real: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, int | None]]:
    target = Path(os.path.realpath(link))
    is_folder = target.is_dir()
    if not target.is_relative_to(real):
        if is_folder or has_image_name(link.name):
            raise SourceError(
                f"{root}: {_name(root, link)} is a link that leads out of the folder, to {target}; copy "
                "what it "
                "points to (cp -rL copies a folder that way), or take the link out"
            )
        yield link, 0  # not read: its name is no image's
    elif is_folder:
        if target in above:
            raise SourceError(
                f"{root}: {_name(root, link)} is a link to a folder that holds it, {target}; take the link "
                "out"
            )
        yield link, None
        yield from _walk(root, link, real, (*above, target))
    elif target.exists() and not target.is_file():
        refuse_kind(root, _name(root, link), "a link to a special file")
    else:
        yield link, target.stat().st_size if target.exists() else 0


def _name(root: Path, path: Path) -> str:
    return printable(os.fsencode(path.relative_to(root).as_posix()))
