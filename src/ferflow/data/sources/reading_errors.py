"""What is said of a source that cannot be read: what was found, what was expected, the line that reads it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferflow.data.archives.file_names import IMAGE_SUFFIXES
from ferflow.data.sources.class_names import known_classes, numberings_of
from ferflow.errors import DataError

_NUM_NAMED = 8
_PACKED = (".zip", ".tar", ".gz", ".xz", ".bz2", ".7z", ".rar", ".tgz")
EXPECTED = (
    "expected <subset>/<class>/.../<image>, <class>/<subset>/.../<image> or <class>/.../<image> with subsets "
    f"train, val, test and the classes {known_classes()}"
)


@dataclass(frozen=True)
class Wording:
    """How the command at hand takes a map: as a key of params.yaml or as options."""

    key: str = "download.map"

    def line(self, entries: Sequence[str]) -> str:
        """What to type for these entries."""
        if self.key.startswith("--"):
            return " ".join(f"{self.key} {quoted(entry)}" for entry in entries)
        listed = ", ".join(map(as_yaml, entries))
        return f"--set {quoted(f'{self.key}=[{listed}]')}"


def quoted(text: str) -> str:
    """As an argument that a shell takes without change."""
    return shlex.quote(text) if "'" in text else f"'{text}'"


def as_yaml(entry: str) -> str:
    """A text that YAML reads as just this text."""
    plain = all(character.isalnum() or character in "=_-./ +" for character in entry) and entry[:1].isalnum()
    return entry if plain else '"' + entry.replace("\\", "\\\\").replace('"', '\\"') + '"'


class LayoutError(DataError):
    """The folders or columns of a source cannot be told.

    Attributes:
        entries: The entries of a map with which the source can be read, as far as a program can say.
    """

    def __init__(self, message: str, entries: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.entries = tuple(entries)


def some(names: Iterable[str]) -> str:
    """The first few of some names."""
    listed = list(names)
    more = f" and {len(listed) - _NUM_NAMED:,} more" if len(listed) > _NUM_NAMED else ""
    return ", ".join(listed[:_NUM_NAMED]) + more


def counted(counts: Mapping[str, int]) -> str:
    """Names with their numbers of images."""
    return some(f"{name} ({count:,} image{'s' * (count != 1)})" for name, count in sorted(counts.items()))


def no_image_error(source: Path, names: Sequence[str]) -> DataError:
    """There is no image at all."""
    endings = Counter(Path(name).suffix.lower() or "no ending" for name in names)
    found = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(5)) or "no file"
    cure = "see that it is the right one"
    if endings[".csv"] or endings[".parquet"]:
        cure = "for a table set download.source csv and download.path to it"
    packed = next(
        (
            name
            for name in names
            if name.lower().endswith((".zip", ".tar", ".gz", ".xz", ".7z", ".rar", ".tgz"))
        ),
        None,
    )
    if packed:
        cure = f"it holds another archive, {packed}: take that out and set download.path to it"
    return DataError(
        f"{source}: holds no image (found: {found}); {EXPECTED}, in files that end in "
        f"{', '.join(IMAGE_SUFFIXES)}; {cure}"
    )


def unknown_classes_error(source: Path, counts: Mapping[str, int], wording: Wording) -> LayoutError:
    """Folders that may be classes have names that say nothing; `counts`: name to number of images."""
    names = sorted(counts)
    found = f"{source}: {counted(counts)}: no known class"
    if all(name.strip().isdigit() for name in names):
        numberings = numberings_of(names)
        lines = "".join(
            f"\n  as in {collection}: {wording.line(entries)}" for collection, entries in numberings.items()
        )
        entries = next(iter(numberings.values()), [f"{name}=" for name in names])
        cure = lines or f"\n  {wording.line([f'{name}=EMOTION' for name in names])}"
        return LayoutError(
            f"{found}; collections number the emotions differently, so say what yours means:{cure}", entries
        )
    entries = [f"{name}=" for name in names]
    return LayoutError(
        f"{found}; {EXPECTED}. Leave these out with {wording.line(entries)}, or write an emotion after the "
        f"sign to count one, such as {wording.line([f'{names[0]}=EMOTION'])}",
        entries,
    )
