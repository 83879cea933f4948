"""What a source may cost at most: members, bytes of one, bytes in all, ratio of unpacked to packed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow.errors import SourceError
from ferflow.limits import MAX_NAME_CHARACTERS

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

_DRIVE = re.compile(r"^[A-Za-z]:")


def check_count(path: Path, count: int, bounds: DownloadParams) -> None:
    """Refuse a source of too many members.

    Raises:
        SourceError: Over `max_members`.
    """
    if count > bounds.max_members:
        raise SourceError(
            f"{path}: holds more than {bounds.max_members:,} members; "
            "if you trust it, raise download.max_members"
        )


def check_size(path: Path, name: str, size: int, bounds: DownloadParams) -> None:
    """Refuse a member that is too large for an image, or claims less than nothing.

    Raises:
        SourceError: Over `max_member_bytes`, or negative.
    """
    if size < 0:
        raise SourceError(
            f"{path}: {name} claims {size:,} bytes; do not trust this archive: fetch another "
            "copy from its publisher"
        )
    if size > bounds.max_member_bytes:
        raise SourceError(
            f"{path}: {name} has {size:,} bytes, more than {bounds.max_member_bytes:,}; "
            "take it out, or raise download.max_member_bytes"
        )


def check_total(path: Path, total: int, bounds: DownloadParams) -> None:
    """Refuse a source that is too large in all.

    Raises:
        SourceError: Over `max_total_bytes`.
    """
    if total > bounds.max_total_bytes:
        raise SourceError(
            f"{path}: holds more than {bounds.max_total_bytes:,} bytes; "
            "if you trust it, raise download.max_total_bytes"
        )


def check_ratio(path: Path, unpacked: int, packed: int, bounds: DownloadParams) -> None:
    """Refuse what is packed too well to be images; up to one member's bound it does no harm.

    Raises:
        SourceError: Over `max_ratio`.
    """
    if unpacked > bounds.max_member_bytes and unpacked > bounds.max_ratio * packed:
        raise SourceError(
            f"{path}: unpacks to more than {bounds.max_ratio:g} times its {packed:,} bytes, as a "
            "decompression bomb does; if you trust it, raise download.max_ratio"
        )


def check_name_length(path: Path, name: str) -> None:
    """Refuse a name that would widen the column of names for every row.

    Raises:
        SourceError: Over `MAX_NAME_CHARACTERS`.
    """
    if len(name) > MAX_NAME_CHARACTERS:
        raise SourceError(
            f"{path}: the name {name[:60]}... has {len(name):,} characters, more than {MAX_NAME_CHARACTERS}; "
            "rename that file, or take it out"
        )


def check_name(path: Path, name: str) -> None:
    """Refuse the name of a member that is too long or leads out.

    Raises:
        SourceError: It is absolute, climbs with `..`, or is over `MAX_NAME_CHARACTERS`.
    """
    check_name_length(path, name)
    if name.startswith("/") or _DRIVE.match(name):
        raise SourceError(f"{path}: member {name} has an absolute path; repack it with relative names")
    if ".." in name.split("/"):
        raise SourceError(
            f"{path}: member {name} climbs out with '..'; do not trust this archive: fetch "
            "another copy from its publisher"
        )
