"""Which published subset each folder of images belongs to.

No image of a test or validation folder may come to be trained on: a path that names two subsets, a
folder that names none where others do, and unknown folders above the classes are errors, not guesses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ferflow.data.sources.folders import Folder, MapLike
from ferflow.data.sources.reading_errors import LayoutError, Wording, counted, some
from ferflow.data.sources.subset_names import SUBSETS, USAGE_OF, subset_of
from ferflow.labels import USAGES

# S005, p3, person 12, 001: people and sessions, which are no subsets.
_PERSON = re.compile(r"(?!(?:set|split)[ _-]*\d)[a-z]{0,12}[ _-]*\d+[a-z]?", re.IGNORECASE)
_EITHER = re.compile(r"(?<![a-z])eval(?:uation)?(?![a-z])", re.IGNORECASE)
_MORE_EXACT = {"test": ("public", "private"), "val": ("public",)}


def with_subsets(
    folders: Sequence[Folder], *, source: Path, mapping: MapLike, wording: Wording
) -> list[Folder]:
    """Give each folder its subset, if the source has any.

    Raises:
        LayoutError: It cannot be told.
    """
    found = [_with_subset(folder, source=source, mapping=mapping, wording=wording) for folder in folders]
    if not any(folder.kind for folder in found):
        own = subset_of((source.name or source.resolve().name).split(".")[0])
        if own.is_certain and own.kind != "mixed":
            return [replace(folder, kind=own.kind) for folder in found]
        _check_above(found, source=source, mapping=mapping, wording=wording)
        return found
    bare = [folder for folder in found if not folder.kind]
    if bare:
        counts: Counter[str] = Counter()
        for folder in bare:
            counts[_top(folder)] += len(folder.files)
        names = sorted({folder.parts[folder.subset_index or 0] for folder in found if folder.kind})
        entries = [f"{name}=" for name in sorted(counts)]
        raise LayoutError(
            f"{source}: {counted(counts)} lies outside {' and '.join(f'{name}/' for name in names)}, so its "
            f"subset cannot be told; rename it to train, val or test, leave it out with "
            f"{wording.line(entries)}, or write the subset after the sign",
            entries,
        )
    _check_either(found, source=source, mapping=mapping, wording=wording)
    return found


def _check_either(folders: Sequence[Folder], *, source: Path, mapping: MapLike, wording: Wording) -> None:
    """See that `eval` does not lie beside `test`: one of them may be there to validate."""
    names = {
        folder.parts[folder.subset_index]
        for folder in folders
        if folder.subset_index is not None and USAGE_OF[folder.kind] == USAGE_OF["test"]
    }
    names = {name for name in names if name.strip().lower() not in mapping}
    either = sorted(name for name in names if _EITHER.search(name))
    if either and len(either) < len(names):
        entries = [f"{name}=val" for name in either]
        raise LayoutError(
            f"{source}: {some(either)} lies beside {some(sorted(names - set(either)))}, so whether it "
            f"validates or tests cannot be told; rename it to val or test, or write which it is, such as "
            f"{wording.line(entries)}",
            entries,
        )


def _top(folder: Folder) -> str:
    """The first part that this folder does not share with all others, or its class."""
    return folder.parts[min(folder.num_shared, folder.class_index)]


def _with_subset(folder: Folder, *, source: Path, mapping: MapLike, wording: Wording) -> Folder:
    kinds: dict[int, str] = {}
    vague: dict[int, str] = {}
    for index, part in enumerate(folder.parts):
        key = part.strip().lower()
        if index == folder.class_index:
            continue
        if key in mapping:
            target = mapping[key]
            if target in SUBSETS:
                kinds[index] = str(target)
            continue
        name = subset_of(part)
        if name.kind and name.is_certain:
            kinds[index] = name.kind
        elif name.kind:
            vague[index] = name.kind
    # What all images share tells none from another: `my_test_project/train/`.
    kinds |= {index: kind for index, kind in vague.items() if index >= folder.num_shared}
    if not kinds:
        kinds = {index: kind for index, kind in vague.items() if kind != "train"}
        if kinds:
            _refuse(folder, kinds, "may name a subset, which cannot be told", source, wording)
        return folder
    chosen = _most_exact(kinds)
    if chosen is None or kinds[chosen] == "mixed":
        _refuse(folder, kinds, "names more than one subset", source, wording)
        raise AssertionError
    return replace(folder, kind=kinds[chosen], subset_index=chosen)


def _most_exact(kinds: dict[int, str]) -> int | None:
    """The part to go by: `test/PublicTest` is PublicTest; None where two contradict."""
    indices = sorted(kinds)
    chosen = indices[0]
    for index in indices[1:]:
        if kinds[index] == kinds[chosen] or kinds[chosen] in _MORE_EXACT.get(kinds[index], ()):
            continue
        if kinds[index] in _MORE_EXACT.get(kinds[chosen], ()):
            chosen = index
            continue
        return None
    return chosen


def _refuse(folder: Folder, kinds: dict[int, str], problem: str, source: Path, wording: Wording) -> None:
    parts = [folder.parts[index] for index in sorted(kinds)]
    entries: list[str] = []
    cure = "rename one of them"
    if len(parts) == 1:  # Of two names an entry would change one, and the other still contradicts it.
        entries = [f"{parts[0]}={next((kind for kind in SUBSETS if kind in kinds.values()), 'test')}"]
        cure = f"rename the folder, or say what it is, such as {wording.line(entries)}"
    raise LayoutError(
        f"{source}: {folder.path} {problem} ({some(parts)}); images of a test or validation folder never "
        f"train, so {cure}",
        entries,
    )


def _check_above(folders: Sequence[Folder], *, source: Path, mapping: MapLike, wording: Wording) -> None:
    """See that the folders above the classes are people or sessions and not subsets of an unknown name."""
    counts: Counter[str] = Counter()
    for folder in folders:
        for part in folder.parts[folder.num_shared : folder.class_index]:
            if not _PERSON.fullmatch(part.strip()) and part.strip().lower() not in mapping:
                counts[part] += len(folder.files)
    if counts:
        entries = [f"{name}=train" for name in sorted(counts)]
        raise LayoutError(
            f"{source}: {counted(counts)}: lie above the classes and name neither a subset nor a class; "
            "rename them to train, val or test, or say what each is, such as all training with "
            f"{wording.line(entries)}",
            entries,
        )


def usage_of_file(file: str) -> str:
    """The usage that FER-2013's own file names say, or ""."""
    return next((usage for usage in USAGES if file.startswith(f"{usage}_")), "")
