"""What `ferflow predict` looks at: pictures, folders of them, frames of videos and of a webcam."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferflow.data.images import BadImageError
from ferflow.data.store import Images
from ferflow.errors import SourceError

if TYPE_CHECKING:
    import cv2

    from ferflow.serving.predictor import Predictor

_VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
# Copies of annotated pictures keep a name with one of these ends; others get .png.
_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png"})
STDIN = Path("-")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Source:
    """A file to look at.

    Attributes:
        path: The file.
        place: Where its annotated copy goes, relative to the folder of those.
        is_named: The user named the file itself, not a folder that holds it.
    """

    path: Path
    place: Path
    is_named: bool

    @property
    def is_video(self) -> bool:
        """Its name ends as those of videos do."""
        return self.path.suffix.lower() in _VIDEOS


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture, or a frame of a video.

    Attributes:
        path: The file's name as it is printed, or `webcam 0`.
        pixels: (H, W) or (H, W, 3) uint8, blue first.
        place: Where its annotated copy goes, relative to the folder of those.
        frame: Number of the frame, from 0; None for a picture.
        seconds: Time of the frame; None for a picture.
        file: The file of a picture.
        scale: By how much a picture of more than 40 megapixels was reduced.
        full_size: Width and height of a picture in its file; None: those of `pixels`.
    """

    path: str
    pixels: Images
    place: Path
    frame: int | None = None
    seconds: float | None = None
    file: Path | None = None
    scale: int = 1
    full_size: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Path and, for a frame, its time."""
        return self.path if self.seconds is None else f"{self.path} {self.seconds:.2f} s"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in the file."""
        return self.full_size or (self.pixels.shape[1], self.pixels.shape[0])


def list_sources(paths: list[Path]) -> tuple[list[Source], list[str]]:
    """The files that are named, and all files of the folders that are, in natural order.

    Hidden files and folders are left out, and links to folders are not followed.

    Returns:
        The sources, and a complaint for each path that is neither file nor folder.
    """
    sources: list[Source] = []
    complaints = []
    for path in paths:
        if path == STDIN:
            sources.append(Source(path, Path("stdin"), is_named=True))
        elif path.is_dir():
            files = sorted(_files_below(path), key=_natural)
            sources += [Source(file, file.relative_to(path), is_named=False) for file in files]
            if not files:
                complaints.append(f"{readable(path)}: the folder holds no file")
        elif path.is_file():
            sources.append(Source(path, Path(path.name), is_named=True))
        else:
            found = "is neither a file nor a folder" if path.exists() else "not found"
            complaints.append(f"{readable(path)}: {found}")
    return _with_places(sources), complaints


def read_shots(source: Source, predictor: Predictor, *, every: int) -> Iterator[Shot]:
    """The picture of a source, or every `every`-th frame of a video.

    Raises:
        BadImageError: It cannot be read; the message names the file.
    """
    if not source.is_video:
        yield _read_picture(source, predictor)
        return
    video = _open(str(source.path))
    if video is None:
        raise BadImageError(f"{readable(source.path)}: cannot be opened as a video; convert it to MP4 or AVI")
    folder = source.place.with_suffix("")
    number = -1
    for number, seconds, pixels in _frames(video, every):
        place = folder / f"{number:06d}.jpg"
        yield Shot(readable(source.path), pixels, place, number, seconds)
    if number < 0:
        raise BadImageError(f"{readable(source.path)}: the video holds no frame that can be read")


def _read_picture(source: Source, predictor: Predictor) -> Shot:
    is_piped = source.path == STDIN
    file = None if is_piped else source.path
    name = "standard input" if is_piped else readable(source.path)
    try:
        picture = predictor.read(file or read_stdin())
    except BadImageError as error:
        if not is_piped:
            raise
        raise BadImageError(f"{name}: {str(error).removeprefix('picture 0: ')}") from error
    full_size = picture.width, picture.height
    return Shot(name, picture.pixels, source.place, file=file, scale=picture.scale, full_size=full_size)


def read_stdin() -> bytes:
    """What is piped in, whole.

    Raises:
        BadImageError: It is too large, or a terminal, from which no picture comes.
    """
    from ferflow.serving.predictor import MAX_BYTES

    if sys.stdin.isatty():
        raise BadImageError("is the terminal; pipe a picture in, such as: cat photo.jpg | ferflow predict -")
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BadImageError(f"has more than the limit of {MAX_BYTES:,} bytes")
    return content


def read_webcam(device: int, *, every: int) -> Iterator[Shot]:
    """Every `every`-th frame of a webcam, until it ends.

    Raises:
        SourceError: It cannot be opened.
    """
    video = _open(device)
    if video is None:
        raise SourceError(
            f"webcam {device} cannot be opened; see that it is plugged in, that no other program has it and "
            f"that /dev/video{device} may be read, or try another number"
        )
    for number, seconds, pixels in _frames(video, every):
        place = Path(f"webcam-{device}", f"{number:06d}.jpg")
        yield Shot(f"webcam {device}", pixels, place, number, seconds)


def readable(path: Path) -> str:
    """A path as text that can be printed, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _open(place: str | int) -> cv2.VideoCapture | None:
    """The opened video, or None; without OpenCV's own words on stderr."""
    import cv2

    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        video = cv2.VideoCapture(place)
    finally:
        cv2.utils.logging.setLogLevel(before)
    return video if video.isOpened() else None


def _frames(video: cv2.VideoCapture, every: int) -> Iterator[tuple[int, float, Images]]:
    """Number, time in seconds and pixels of every `every`-th frame; the first is number 0."""
    import cv2

    try:
        number = 0
        while video.grab():
            if number % every == 0:
                seconds = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
                was_read, pixels = video.retrieve()
                if was_read:
                    yield number, seconds, np.asarray(pixels, np.uint8)
            number += 1
    finally:
        video.release()


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Key by which `face2` comes before `face10`."""
    parts = _DIGITS.split(str(path))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _with_places(sources: list[Source]) -> list[Source]:
    """The sources with places of their own, that end as pictures do."""
    taken: set[Path] = set()
    placed = []
    for source in sources:
        place = source.place
        if not source.is_video and place.suffix.lower() not in _PICTURES:
            place = place.with_name(f"{place.name}.png")
        unique, number = place, 2
        while unique in taken:
            unique = place.with_name(f"{place.stem}-{number}{place.suffix}")
            number += 1
        taken.add(unique)
        placed.append(Source(source.path, unique, source.is_named))
    return placed
