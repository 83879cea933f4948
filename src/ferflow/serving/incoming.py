"""Sources that are elsewhere, brought into a folder of this machine: from the web and from standard input."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ferflow.errors import BadImageError
from ferflow.serving import remote
from ferflow.serving.shots import STDIN, Source

_CHUNK_BYTES = 1 << 20
# Of files that begin as an MP4 does and hold pictures: HEIC and AVIF.
_STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})


def brought_here(source: Source, folder: Path) -> Source:
    """A source from the web, or from standard input, as a file in a folder; others as they are.

    Raises:
        BadImageError: It cannot be had; the message names it.
    """
    if source.address is None or remote.is_stream(source.address):
        return source
    target = folder / f"{len(list(folder.iterdir()))}{source.place.suffix}"
    is_video = source.is_video
    if source.address == STDIN:
        _copy_stdin(target)
    else:
        bounds = remote.VIDEO_BOUNDS if is_video else remote.PICTURE_BOUNDS
        remote.fetch(source.address, target, bounds=bounds)
    if not is_video and _looks_like_video(target):
        target = target.rename(target.with_suffix(".mp4"))
    return replace(source, path=target)


def _copy_stdin(target: Path) -> None:
    if sys.stdin.isatty():
        raise BadImageError(
            "standard input: is the terminal; pipe a picture in, such as: cat photo.jpg | ferflow predict -"
        )
    most_bytes = remote.VIDEO_BOUNDS[0]
    with target.open("wb") as file:
        while chunk := sys.stdin.buffer.read(_CHUNK_BYTES):
            file.write(chunk)
            if file.tell() > most_bytes:
                raise BadImageError(f"standard input: has more than the limit of {most_bytes:,} bytes")


def _looks_like_video(path: Path) -> bool:
    """By its first bytes: MP4, MOV (not HEIC and AVIF, which are of that family), AVI, MKV, WebM, MPEG."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    is_avi = head[:4] == b"RIFF" and head[8:] == b"AVI "
    return is_avi or head.startswith((b"\x1aE\xdf\xa3", b"\0\0\1\xba"))
