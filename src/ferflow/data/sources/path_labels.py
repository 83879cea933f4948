"""What the paths inside a source say: each image's emotion and usage, read off all of them together.

A path is folders and a file name. One of the folders names the class (`class_names`), one
may name the subset (`subset_names`), in either order and at any depth; folders above, between
and below (a person, a session) do not matter. FER-2013's own file names (`Training_`, `PublicTest_`,
`PrivateTest_`) name the usage as well. What cannot be told is one error that says what was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ferflow.data.archives.file_names import has_image_name, is_litter
from ferflow.data.sources.folders import Folder, MapLike, is_left_out, num_shared, with_classes
from ferflow.data.sources.reading_errors import LayoutError, Wording, no_image_error, some
from ferflow.data.sources.subset_folders import usage_of_file, with_subsets
from ferflow.data.sources.subset_names import USAGE_OF
from ferflow.errors import DataError, SourceError


@dataclass(frozen=True)
class Place:
    """Where an image belongs.

    Attributes:
        file: Path inside the source, without the folders that all images share, such as
            `train/angry/Training_3908.jpg`.
        label: One of `EMOTIONS`.
        usage: One of `USAGES`.
        folder: The class folder as it is called.
        tail: The path from the subset's or the class's folder on.
        row: Number of the row in a table, from 1 on; 0 for files.
    """

    file: str
    label: str
    usage: str
    folder: str = ""
    tail: str = ""
    row: int = 0


@dataclass(frozen=True)
class Layout:
    """How a source is read.

    Attributes:
        places: Path inside the source, as `plain_path` writes it, to its place; images that are passed over
            or left out have none.
        classes: Class folder to its emotion; None for a folder that is left out.
        subsets: Subset folder to the usages that its images have; empty where there is none.
        num_by_folder: Class folder to its images.
        left_out: Images in folders that the map leaves out.
        outside: Images beside the class folders, which are passed over.
        litter: Hidden files and what operating systems leave behind.
        others: Files that are no images by their names.
        remarks: What a reader should be told.
    """

    places: Mapping[str, Place]
    classes: Mapping[str, str | None]
    subsets: Mapping[str, tuple[str, ...]]
    num_by_folder: Mapping[str, int]
    left_out: tuple[str, ...]
    outside: tuple[str, ...]
    litter: tuple[str, ...]
    others: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def num_passed_over(self) -> int:
        """Files that are no part of the data: other files, and images beside the classes."""
        return len(self.outside) + len(self.others)


def is_candidate(name: str) -> bool:
    """Whether a path may be an image of the data set; the others need not be read."""
    return has_image_name(name) and not any(is_litter(part) for part in path_parts(name))


def read_layout(names: Iterable[str], *, source: Path, mapping: MapLike, wording: Wording) -> Layout:
    """Read the places of all images off their paths.

    Args:
        names: Paths with `/`, of all files.
        source: What holds them: for messages, and its own name may be that of a subset.
        mapping: What `parse_map` gave; wins over the known names.
        wording: What messages call the map.

    Raises:
        DataError: There is no image; a class or a subset is unknown; a path names two; some images lie
            in a subset's folder and some do not; name and folder contradict.
        SourceError: The map names what is not there.
    """
    folders, litter, others = _sort(names, source)
    _check_map(folders, source=source, mapping=mapping, wording=wording)
    left_out = [folder for folder in folders if is_left_out(folder, mapping)]
    used = [folder for folder in folders if not is_left_out(folder, mapping)]
    if not used:
        raise DataError(
            f"{source}: {wording.key} leaves out every image; take an entry away from {wording.key}"
        )
    classed, outside = with_classes(used, source=source, mapping=mapping, wording=wording)
    shared = num_shared([folder.parts for folder in classed])
    classed = [replace(folder, num_shared=shared) for folder in classed]
    placed = with_subsets(classed, source=source, mapping=mapping, wording=wording)
    remarks = _check_names(placed, source)
    has_validation = any(folder.kind in ("val", "public") for folder in placed)
    places = {
        name: place for folder in placed for name, place in _places(folder, has_validation=has_validation)
    }
    classes: dict[str, str | None] = {folder.parts[folder.class_index]: folder.label for folder in placed}
    counts = Counter(place.folder for place in places.values())
    for folder in left_out:
        part = next(part for part in folder.parts if mapping.get(part.strip().lower(), "") is None)
        classes[part] = None
        counts[part] += len(folder.files)
    return Layout(
        places=places,
        classes=dict(sorted(classes.items())),
        subsets=_subsets(placed, places),
        num_by_folder=counts,
        left_out=_names(left_out),
        outside=_names(outside),
        litter=tuple(litter),
        others=tuple(others),
        remarks=tuple(remarks),
    )


def plain_path(name: str) -> str:
    """A path without `.` and doubled slashes."""
    return "/".join(path_parts(name))


def path_parts(name: str) -> list[str]:
    """The parts of a path, `.` and empty ones left out."""
    return [part for part in name.split("/") if part not in ("", ".")]


def _sort(names: Iterable[str], source: Path) -> tuple[list[Folder], list[str], list[str]]:
    """Folders of images, litter and other files."""
    files: dict[tuple[str, ...], list[str]] = {}
    litter: list[str] = []
    others: list[str] = []
    for name in names:
        parts = path_parts(name)
        if any(is_litter(part) for part in parts):
            litter.append(name)
        elif has_image_name(name):
            files.setdefault(tuple(parts[:-1]), []).append(parts[-1])
        else:
            others.append(name)
    if not files:
        raise no_image_error(source, [*others, *litter])
    for folder, inside in files.items():  # the same name twice, as a zip may have it
        twice = [name for name, count in Counter(inside).items() if count > 1]
        if twice:
            raise DataError(
                f"{source}: holds {'/'.join((*folder, twice[0]))} twice; take one out or rename it"
            )
    shared = num_shared(list(files))
    folders = [Folder(parts, tuple(inside), shared) for parts, inside in files.items()]
    return sorted(folders, key=lambda folder: folder.parts), litter, others


def _check_map(folders: Sequence[Folder], *, source: Path, mapping: MapLike, wording: Wording) -> None:
    present = {part.strip().lower(): part for folder in folders for part in folder.parts}
    absent = sorted(set(mapping) - set(present))
    if absent:
        raise SourceError(
            f"{source}: {wording.key} names {some(absent)}, but its subfolders are "
            f"{some(sorted(present.values())) or 'none'}; correct the names"
        )


def _check_names(folders: Sequence[Folder], source: Path) -> list[str]:
    """See that FER-2013's own file names do not say that a test image lies in a training folder."""
    remarks = []
    for folder in folders:
        said = Counter(usage_of_file(file) for file in folder.files)
        if not folder.kind and 0 < said[""] < len(folder.files):
            name = next(file for file in folder.files if not usage_of_file(file))
            raise LayoutError(
                f"{source}: {folder.path}/{name} is not named after a usage as others there are "
                "(Training_, PublicTest_, PrivateTest_); rename it or take it out"
            )
        wrong = _CONTRADICTIONS.get(folder.kind, ())
        for usage in wrong:
            if said[usage]:
                name = next(file for file in folder.files if usage_of_file(file) == usage)
                part = folder.parts[folder.subset_index] if folder.subset_index is not None else source.name
                raise LayoutError(
                    f"{source}: {folder.path}/{name} is named {usage} but lies in {part}/; move or rename it"
                )
        if folder.kind not in ("", "train") and said["Training"]:
            remarks.append(
                f"{said['Training']:,} images in {folder.path} are named Training_: the folder counts"
            )
    named = {bool(usage_of_file(file)) for folder in folders if not folder.kind for file in folder.files}
    if len(named) > 1:
        raise LayoutError(
            f"{source}: some images are named after a usage (Training_, PublicTest_, PrivateTest_) and some "
            "are not, so the subset of the others cannot be told; put them into folders train, val and test"
        )
    return remarks


_CONTRADICTIONS = {
    "train": ("PublicTest", "PrivateTest"),
    "val": ("PrivateTest",),
    "public": ("PrivateTest",),
    "private": ("PublicTest",),
}


def _places(folder: Folder, *, has_validation: bool) -> Iterable[tuple[str, Place]]:
    """Path and place of each image in a folder."""
    first = (
        folder.class_index if folder.subset_index is None else min(folder.class_index, folder.subset_index)
    )
    start = min(folder.num_shared, first)
    whole, kept, tail = (
        "".join(f"{part}/" for part in parts)
        for parts in (folder.parts, folder.parts[start:], folder.parts[first:])
    )
    label, called = folder.label, folder.parts[folder.class_index]
    for file in folder.files:
        said = usage_of_file(file)
        usage = USAGE_OF.get(folder.kind) or said or "Training"
        if folder.kind == "test" and said == "PublicTest" and not has_validation:
            usage = said  # Kaggle's folder `test` holds both
        yield whole + file, Place(kept + file, label, usage, called, tail + file)


def _subsets(folders: Sequence[Folder], places: Mapping[str, Place]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for folder in folders:
        if folder.subset_index is not None:
            usages = {places[name].usage for name in folder.names()}
            found.setdefault(folder.parts[folder.subset_index], set()).update(usages)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def _names(folders: Sequence[Folder]) -> tuple[str, ...]:
    return tuple(name for folder in folders for name in folder.names())


def passed_over(others: Sequence[str]) -> str:
    """What is said of files that are no images."""
    return f"{len(others):,} files are no images by their names and were passed over, such as {others[0]}"


def remarks_on(layout: Layout) -> list[str]:
    """What a reader should be told of how a source was read, a sentence each."""
    said = list(layout.remarks)
    if layout.others:
        said.append(passed_over(layout.others))
    if layout.outside:
        said.append(
            f"{len(layout.outside):,} images lie beside the class folders and were passed over, such as "
            f"{layout.outside[0]}"
        )
    return said
