"""The images of an archive or folder with their places: what download, evaluate --data and inspect share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ferflow.data.archives.archives import known_names, read_members
from ferflow.data.archives.file_names import has_no_ending, starts_as_image
from ferflow.data.archives.members import Member
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.decoding.pictures import Picture
from ferflow.data.sources.path_labels import Layout, Place, is_candidate, plain_path, read_layout
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.store import Images, pixel_hashes
from ferflow.errors import BadImageError, DataError
from ferflow.params import DownloadParams
from ferflow.progress import track

# A picture to the (48, 48) uint8 face in it; None where there is none.
Cut = Callable[[Images], Images | None]
# The bytes of a file, and width and height of the picture in it, upright.
Observe = Callable[[bytes, tuple[int, int]], None]


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used: its path or CSV row, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """The faces of a source, sorted by file, and what could not be used.

    Attributes:
        places: The place of each face.
        faces: (48, 48) uint8 each.
        bad_images: Files that cannot be read as a picture.
        without_face: Pictures in which no face was found.
        median_side: The median of the pictures' shorter sides, in pixels.
        layout: How the source was read.
    """

    places: list[Place]
    faces: list[Images]
    bad_images: tuple[BadImage, ...]
    without_face: tuple[str, ...]
    median_side: float
    layout: Layout


@dataclass
class _Gathered:
    """What reading gathers; keys are paths inside the source."""

    faces: dict[str, Images] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    without_face: list[str] = field(default_factory=list)
    no_images: list[str] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)


def read_pictures(
    path: Path,
    bounds: DownloadParams,
    *,
    mapping: Mapping[str, str | None],
    wording: Wording,
    cut: Cut | None,
    observe: Observe | None = None,
) -> Pictures:
    """Read all images of an archive or folder.

    Args:
        path: The path of the archive or folder.
        bounds: What is too many, too large or packed too well.
        mapping: What `parse_map` gave.
        wording: What messages call the map.
        cut: Finds the face in a picture; None: the picture is the face.
        observe: Called with each file's bytes and the size of its picture.

    Raises:
        SourceError: It is missing, damaged, over a bound, or holds a refused member.
        DataError: Its layout cannot be told, or it holds one picture twice.
    """
    names = known_names(path, bounds)
    layout = None
    if names is not None:
        layout = read_layout(names, source=path, mapping=mapping, wording=wording)
        if path.is_dir():
            _check_links(path, layout)
    seen: list[str] = []
    gathered = _Gathered()

    def wanted(name: str) -> bool:
        seen.append(name)
        return is_candidate(name) if layout is None else plain_path(name) in layout.places

    members = track(read_members(path, bounds, wanted=wanted), total=None, label="reading images")
    with DecodeBox().start() as box:
        files = _usable(members, gathered)
        for file, picture in _decoded(files, box, max_pixels=bounds.max_image_pixels, whole=cut is None):
            _gather(file.name, picture, gathered, cut=cut)
            if observe is not None and isinstance(picture, Picture):
                observe(file.content, (picture.width, picture.height))
    if layout is None:
        layout = read_layout(seen, source=path, mapping=mapping, wording=wording)
    return _pictures(gathered, layout, source=path)


def _check_links(root: Path, layout: Layout) -> None:
    """See that no file of a test or validation folder comes to be trained on by a link to it.

    Raises:
        DataError: One does.
    """
    if len({place.usage == "Training" for place in layout.places.values()}) < 2:
        return
    names: dict[tuple[int, int], str] = {}
    for name, place in layout.places.items():
        try:
            found = (root / name).stat()
        except OSError:  # A name that was escaped, or a link that leads nowhere.
            continue
        other = names.setdefault((found.st_dev, found.st_ino), name)
        usages = layout.places[other].usage, place.usage
        if usages[0] != usages[1] and "Training" in usages:
            raise DataError(
                f"{root}: {other} and {name} are links to one file, of usage {usages[0]} and {usages[1]}; an "
                "image that tests or validates never trains: take one of the links out"
            )


def _usable(members: Iterable[Member], gathered: _Gathered) -> Iterator[Member]:
    """The files that are to be decoded, under their plain names."""
    for member in members:
        name = plain_path(member.name)
        if member.problem:
            gathered.problems[name] = member.problem
        elif has_no_ending(name) and not starts_as_image(member.content):
            gathered.no_images.append(name)
        else:
            yield Member(name, member.content)


def _decoded(
    files: Iterable[Member], box: DecodeBox, *, max_pixels: int, whole: bool
) -> Iterator[tuple[Member, Picture | BadImageError]]:
    """Each file as its face where the picture is the face, else as the picture; or why it cannot be used."""
    limit = "download.max_image_pixels"
    if whole:
        pairs = ((file, file.content) for file in files)
        yield from box.faces(pairs, max_pixels=max_pixels, limit=limit)
        return
    for file in files:
        try:
            yield file, box.picture(file.content, max_pixels=max_pixels, limit=limit)
        except BadImageError as error:
            yield file, error


def _gather(name: str, picture: Picture | BadImageError, gathered: _Gathered, *, cut: Cut | None) -> None:
    if isinstance(picture, BadImageError):
        gathered.problems[name] = str(picture)
        return
    gathered.sides.append(min(picture.width, picture.height))
    face = picture.pixels if cut is None else cut(picture.pixels)
    if face is None:
        gathered.without_face.append(name)
    else:
        gathered.faces[name] = face


def _pictures(gathered: _Gathered, layout: Layout, *, source: Path) -> Pictures:
    used = sorted(
        ((place, name) for name, place in layout.places.items() if name in gathered.faces),
        key=lambda item: item[0].file,
    )
    places = [place for place, _ in used]
    faces = [gathered.faces[name] for _, name in used]
    _check_copies(places, faces, [name for _, name in used], source=source)
    bad = [
        BadImage(layout.places[name].file, reason)
        for name, reason in gathered.problems.items()
        if name in layout.places
    ]
    faceless = [layout.places[name].file for name in gathered.without_face if name in layout.places]
    not_images = [name for name in gathered.no_images if name in layout.places]
    return Pictures(
        places=places,
        faces=faces,
        bad_images=tuple(sorted(bad, key=lambda image: image.name)),
        without_face=tuple(sorted(faceless)),
        median_side=float(np.median(gathered.sides)) if gathered.sides else 0.0,
        layout=replace(layout, others=(*layout.others, *not_images)),
    )


def _check_copies(places: list[Place], faces: list[Images], names: list[str], *, source: Path) -> None:
    """See that a data set does not lie in its source twice, as some archives have it."""
    counts = Counter(place.tail for place in places)
    if len(counts) == len(places):
        return
    same: dict[tuple[str, str], str] = {}
    for place, face, name in zip(places, faces, names, strict=True):
        if counts[place.tail] < 2:
            continue
        key = (place.tail, str(pixel_hashes(face[np.newaxis])[0]))
        if key in same:
            raise DataError(
                f"{source}: holds {place.tail} twice ({same[key]} and {name}, the same picture); take one "
                "out or "
                "rename it"
            )
        same[key] = name
