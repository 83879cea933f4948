"""The folders that hold images, and which of each one's parents names its class.

A class is looked for at every depth. Where a path has two (a person SA below `angry`), the depth counts
at which every path has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ferflow.data.sources.class_names import emotion_of
from ferflow.data.sources.reading_errors import LayoutError, Wording, some, unknown_classes_error
from ferflow.data.sources.subset_names import SUBSETS, subset_of
from ferflow.labels import EMOTIONS

MapLike = Mapping[str, str | None]


@dataclass(frozen=True)
class Folder:
    """A folder that holds images itself.

    Attributes:
        parts: Its path, part by part.
        files: Names of the images in it.
        num_shared: Parts that all folders of the source begin with.
        label: The emotion; "" while it is not known.
        class_index: The part that names it.
        kind: One of `subset_names.KINDS`; "" without a subset.
        subset_index: The part that names the subset; None for the source's own name.
    """

    parts: tuple[str, ...]
    files: tuple[str, ...] = field(repr=False)
    num_shared: int = 0
    label: str = ""
    class_index: int = -1
    kind: str = ""
    subset_index: int | None = None

    @property
    def path(self) -> str:
        """With `/`; `.` for the source itself."""
        return "/".join(self.parts) or "."

    def names(self) -> list[str]:
        """Paths of its images."""
        return ["/".join((*self.parts, file)) for file in self.files]


def target_of(part: str, mapping: MapLike) -> str | None:
    """The emotion of a part of a path, by the map or by its name; None where it is no class."""
    key = part.strip().lower()
    if key in mapping:
        target = mapping[key]
        return target if target in EMOTIONS else None
    return emotion_of(part)


def is_left_out(folder: Folder, mapping: MapLike) -> bool:
    """Whether the map leaves a part of the path out."""
    return any(mapping.get(part.strip().lower(), "") is None for part in folder.parts)


def is_subset_part(part: str, mapping: MapLike) -> bool:
    """Whether a part names a subset for certain."""
    key = part.strip().lower()
    return mapping[key] in SUBSETS if key in mapping else subset_of(part).is_certain


def with_classes(
    folders: Sequence[Folder], *, source: Path, mapping: MapLike, wording: Wording
) -> tuple[list[Folder], list[Folder]]:
    """Give each folder its class.

    Returns:
        The folders with a class, and those beside the classes: folders that only hold folders with one.

    Raises:
        LayoutError: A folder has no class or two.
    """
    candidates = {folder.parts: _candidates(folder, mapping) for folder in folders}
    known = [folder for folder in folders if candidates[folder.parts]]
    above = _shared([folder.parts for folder in known]) if known else ()
    outside = [
        folder
        for folder in folders
        if not candidates[folder.parts]
        and known
        and folder.parts == above[: len(folder.parts)]
        and not any(is_subset_part(part, mapping) for part in folder.parts)
    ]
    passed_over = {folder.parts for folder in outside}
    unknown = [
        folder for folder in folders if not candidates[folder.parts] and folder.parts not in passed_over
    ]
    if unknown:
        raise _unknown_error(unknown, known, candidates, source=source, mapping=mapping, wording=wording)
    depth = _common_depth(known, candidates, mapping)
    return [
        _with_class(folder, candidates[folder.parts], depth, source=source, mapping=mapping)
        for folder in known
    ], outside


def _candidates(folder: Folder, mapping: MapLike) -> dict[int, str]:
    """Index of each part that names a class, to its emotion."""
    found = {}
    for index, part in enumerate(folder.parts):
        emotion = target_of(part, mapping)
        if emotion:
            found[index] = emotion
    return found


def depth_of(folder: Folder, index: int, mapping: MapLike) -> int:
    """How deep a part lies, subsets not counted."""
    return sum(not is_subset_part(part, mapping) for part in folder.parts[:index])


def _common_depth(
    folders: Sequence[Folder], candidates: Mapping[tuple[str, ...], dict[int, str]], mapping: MapLike
) -> int | None:
    """The one depth at which every folder has a class; None where there is none or are several."""
    depths = [{depth_of(folder, index, mapping) for index in candidates[folder.parts]} for folder in folders]
    common = set.intersection(*depths) if depths else set()
    return common.pop() if len(common) == 1 else None


def _with_class(
    folder: Folder,
    found: dict[int, str],
    depth: int | None,
    *,
    source: Path,
    mapping: MapLike,
) -> Folder:
    if len(set(found.values())) == 1:
        index = next(iter(found))
    else:
        at_depth = [index for index in found if depth_of(folder, index, mapping) == depth]
        if not at_depth:
            parts = [folder.parts[index] for index in found]
            raise LayoutError(
                f"{source}: {folder.path} names {len(parts)} classes, {some(parts)}; rename one of them"
            )
        index = at_depth[0]
    return replace(folder, label=found[index], class_index=index)


def _unknown_error(
    unknown: Sequence[Folder],
    known: Sequence[Folder],
    candidates: Mapping[tuple[str, ...], dict[int, str]],
    *,
    source: Path,
    mapping: MapLike,
    wording: Wording,
) -> LayoutError:
    """Name the parts that ought to be classes: at the depth where most other folders have theirs."""
    depths = Counter(
        depth_of(folder, index, mapping) for folder in known for index in candidates[folder.parts]
    )
    depth = depths.most_common(1)[0][0] if depths else None
    counts: Counter[str] = Counter()
    bare: list[str] = []
    for folder in unknown:
        plain = [part for part in folder.parts[folder.num_shared :] if not is_subset_part(part, mapping)]
        inner = [part for part in folder.parts if not is_subset_part(part, mapping)]
        if depth is not None and depth < len(inner):
            counts[inner[depth]] += len(folder.files)
        elif plain or inner:
            counts[plain[0] if plain else inner[-1]] += len(folder.files)
        else:
            bare += folder.names()
    if counts:
        return unknown_classes_error(source, counts, wording)
    return LayoutError(
        f"{source}: {len(bare):,} images lie in no class folder, such as {bare[0]}; expected a folder for "
        "each class, such as angry/ or train/angry/: move them there or take them out"
    )


def _shared(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The parts that all paths begin with, the last part of each left out."""
    first, last = min(paths), max(paths)
    length = 0
    while length < min(len(first), len(last)) - 1 and first[length] == last[length]:
        length += 1
    return first[:length]


def num_shared(paths: Sequence[tuple[str, ...]]) -> int:
    """How many parts all paths begin with."""
    first, last = min(paths), max(paths)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return length
