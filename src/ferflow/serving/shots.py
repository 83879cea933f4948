"""What `ferflow predict` looks at: pictures, folders of them, addresses, frames of videos and webcams."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ferflow.data.sources.path_labels import passed_over
from ferflow.data.store import Images
from ferflow.errors import BadImageError, SourceError
from ferflow.places import typed
from ferflow.serving import remote
from ferflow.serving.folder_pictures import VIDEOS, pictures_below
from ferflow.serving.frames import Animation, Every, Video, open_file, open_stream, open_webcam

if TYPE_CHECKING:
    from ferflow.serving.predictor import Predictor

_ANIMATIONS = frozenset({".gif", ".webp"})
# Copies of annotated pictures keep a name with one of these ends; others get .png.
_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png"})
_NAMEABLE = "name pictures, folders of them, videos or addresses (a camera: --webcam 0)"
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A file, an address or a webcam to look at.

    Attributes:
        path: The file.
        place: Where its annotated copy goes, relative to the folder of those.
        is_named: The user named the file itself, not a folder that holds it.
        printed: Its name as it is printed, where that is not the path.
        address: Where it is to be had, on the network or `-`, standard input; None for files.
        webcam: Number of a webcam.
        is_moving: All frames of an animated GIF or WebP are wanted, not the first one.
    """

    path: Path
    place: Path
    is_named: bool
    printed: str | None = None
    address: str | None = None
    webcam: int | None = None
    is_moving: bool = False

    @property
    def name(self) -> str:
        """Its name as it is printed."""
        return readable(self.path) if self.printed is None else self.printed

    @property
    def is_file(self) -> bool:
        """It is a file on this machine."""
        return self.address is None and self.webcam is None

    @property
    def is_video(self) -> bool:
        """Its name ends as those of videos do, or it is a stream or a webcam."""
        suffixes = VIDEOS | _ANIMATIONS if self.is_moving else VIDEOS
        return self.is_live or self.path.suffix.lower() in suffixes

    @property
    def is_animation(self) -> bool:
        """It is an animated picture whose frames are to be read."""
        return self.is_moving and self.path.suffix.lower() in _ANIMATIONS

    @property
    def is_live(self) -> bool:
        """Its frames come one after another as time goes by, for ever."""
        return self.webcam is not None or (self.address is not None and remote.is_stream(self.address))


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
        is_due: To be looked at; False for frames that are there for an annotated video only.
        rate: Frames a second of its video.
    """

    path: str
    pixels: Images
    place: Path
    frame: int | None = None
    seconds: float | None = None
    file: Path | None = None
    scale: int = 1
    full_size: tuple[int, int] | None = None
    is_due: bool = True
    rate: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in the file."""
        return self.full_size or (self.pixels.shape[1], self.pixels.shape[0])

    def without_pixels(self) -> Shot:
        """The same with the size alone, for the memory's sake."""
        return replace(self, pixels=np.zeros((0, 0), np.uint8), full_size=self.size)

    @property
    def name(self) -> str:
        """Path and, for a frame, its time."""
        return self.path if self.seconds is None else f"{self.path} {self.seconds:.2f} s"


class Listed(NamedTuple):
    """What names lead to.

    Attributes:
        sources: Files and addresses.
        complaints: What is wrong with a name, for each that leads to nothing.
        remarks: What was passed over in folders.
    """

    sources: list[Source]
    complaints: list[str]
    remarks: list[str]


def list_sources(names: Sequence[str | Path], *, moving: bool = False) -> Listed:
    """The files and addresses that are named, and all files of the folders that are, in natural order.

    Of a folder, pictures and videos are taken by the rule of `pictures_below`.

    Args:
        names: Paths, addresses, `-` for standard input.
        moving: All frames of animated GIF and WebP are wanted.

    Raises:
        SourceError: An address is of a kind that cannot be read.
    """
    sources: list[Source] = []
    complaints: list[str] = []
    remarks: list[str] = []
    for name in names:
        if _is_elsewhere(str(name)):
            sources.append(_elsewhere(str(name)))
            continue
        path = Path(typed(str(name), key="PATH"))
        # Not the path's own, which raise for a name of thousands of characters.
        if os.path.isdir(path):  # noqa: PTH112
            files, others = pictures_below(path)
            sources += [Source(file, file.relative_to(path), is_named=False) for file in files]
            if not files:
                found = (
                    f"{len(others):,} other{'s' * (len(others) > 1)}, such as {others[0]}"
                    if others
                    else "no file"
                )
                complaints.append(
                    f"{readable(path)}: holds no picture and no video (found: {found}); {_NAMEABLE}"
                )
            elif others:
                remarks.append(f"{readable(path)}: {passed_over(others)}")
        elif os.path.isfile(path):  # noqa: PTH113
            sources.append(Source(path, Path(path.name), is_named=True))
        else:
            found = "is neither a file nor a folder" if os.path.exists(path) else "not found"  # noqa: PTH110
            complaints.append(f"{readable(path)}: {found}; {_NAMEABLE}")
    placed = _with_places([replace(source, is_moving=moving) for source in sources])
    return Listed(placed, complaints, remarks)


def read_picture(source: Source, predictor: Predictor) -> Shot:
    """The picture of a source.

    Raises:
        BadImageError: It cannot be read; the message names it.
    """
    try:
        picture = predictor.read(source.path)
    except BadImageError as error:
        if source.address is None:
            raise
        raise BadImageError(str(error).replace(str(source.path), source.name)) from error
    return Shot(
        source.name,
        picture.pixels,
        source.place,
        file=None if source.address else source.path,
        scale=picture.scale,
        full_size=(picture.width, picture.height),
    )


def read_frames(
    source: Source, every: Every, *, max_pixels: int, with_others: bool = False
) -> Iterator[Shot]:
    """The frames of a video, an animation or a stream that are due.

    Args:
        source: The video.
        max_pixels: Width times height that an animation may claim.
        every: Which frames are due.
        with_others: Yield those in between, too, for an annotated video.

    Raises:
        BadImageError: It cannot be read; the message names it.
    """
    video: Video | Animation
    if source.is_animation:
        video = Animation(source.path, name=source.name, max_pixels=max_pixels)
    elif source.address is not None and remote.is_stream(source.address):
        video = open_stream(source.address, name=source.name)
    else:
        video = open_file(source.path, name=source.name)
    is_empty = True
    for shot in _shots(video, source, every, with_others=with_others):
        is_empty = False
        yield shot
    if is_empty:
        raise BadImageError(f"{source.name}: the video holds no frame that can be read")


def read_webcam(source: Source, every: Every, *, with_others: bool = False) -> Iterator[Shot]:
    """The frames of a webcam that are due, until it ends; see `read_frames`.

    Raises:
        SourceError: It cannot be opened.
    """
    assert source.webcam is not None  # noqa: S101
    yield from _shots(open_webcam(source.webcam), source, every, with_others=with_others)


def webcam_source(device: int) -> Source:
    """A webcam as a source."""
    place = Path(f"webcam-{device}.mp4")
    return Source(place, place, is_named=True, printed=f"webcam {device}", webcam=device)


def readable(path: Path) -> str:
    """A path as text that can be printed, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _shots(video: Video | Animation, source: Source, every: Every, *, with_others: bool) -> Iterator[Shot]:
    for frame in video.frames(every, with_others=with_others):
        yield Shot(
            source.name,
            frame.pixels,
            source.place,
            frame=frame.number,
            seconds=frame.seconds,
            is_due=frame.is_due,
            rate=video.rate,
        )


def _is_elsewhere(name: str) -> bool:
    return name == STDIN or remote.is_address(name)


def _elsewhere(name: str) -> Source:
    if name == STDIN:
        return Source(Path("stdin"), Path("stdin"), is_named=True, printed="standard input", address=name)
    if not remote.is_web(name) and not remote.is_stream(name):
        raise SourceError(
            f"{remote.without_password(name)}: addresses of this kind cannot be read; expected one that "
            f"begins with {remote.kinds()}, or the name of a file"
        )
    place = Path(remote.file_name(name) or "address")
    return Source(place, place, is_named=True, printed=remote.without_password(name), address=name)


def _with_places(sources: list[Source]) -> list[Source]:
    """The sources with places of their own, that end as pictures do, or as `.mp4` for videos."""
    taken: set[Path] = set()
    placed = []
    for source in sources:
        place = source.place
        if source.is_video:
            # The writer of videos takes no other names.
            place = Path(readable(place)).with_suffix(".mp4")
        elif place.suffix.lower() not in _PICTURES:
            place = place.with_name(f"{place.name}.png")
        unique, number = place, 2
        while unique in taken:
            unique = place.with_name(f"{place.stem}-{number}{place.suffix}")
            number += 1
        taken.add(unique)
        placed.append(replace(source, place=unique))
    return placed
