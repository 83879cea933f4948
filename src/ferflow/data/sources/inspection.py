"""How a path would be read, without writing anything: `ferflow inspect` and `ferflow download --dry-run`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferflow.data.decoding.picture_header import read_header
from ferflow.data.faces.detector_at_hand import detector_at_hand
from ferflow.data.schemes import SCHEMES, missing_usages
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.path_labels import remarks_on
from ferflow.data.sources.reading import Pictures, read_pictures
from ferflow.data.sources.reading_errors import LayoutError, Wording
from ferflow.data.sources.table_reading import is_table, read_table
from ferflow.errors import BadImageError, FerflowError, SourceError
from ferflow.labels import EMOTIONS, USAGES
from ferflow.params import DownloadParams
from ferflow.params.yaml_text import parse_yaml

_NUM_NAMED = 5


@dataclass(frozen=True)
class Inspection:
    """How a path is read.

    Attributes:
        path: The path of the source.
        source: `archive` or `csv`, as `download.source` takes it.
        pictures: Images, classes, subsets, what is bad and what is passed over.
        formats: Kind of file to number of images.
        sizes: Width and height to number of images.
        entries: The entries of `download.map`, those that were given and those that had to be added.
        problem: Why it cannot be read without the added entries; "" where it can.
    """

    path: Path
    source: str
    pictures: Pictures
    formats: Counter[str]
    sizes: Counter[tuple[int, int]]
    entries: tuple[str, ...]
    problem: str

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Emotion and usage to number of images."""
        return Counter((place.label, place.usage) for place in self.pictures.places)

    @property
    def schemes(self) -> list[str]:
        """Schemes of the split that fit the usages, the best first."""
        present = {usage for _, usage in self.counts}
        order = ("kaggle", "paper", "random")
        return [scheme for scheme in order if scheme in SCHEMES and not missing_usages(present, scheme)]


def inspect_source(path: Path, bounds: DownloadParams, *, entries: Sequence[str]) -> Inspection:
    """Read a folder, an archive or a table to say how it is read.

    Where only the map is missing, it is read with the entries that the error gives.

    Args:
        path: The path of the source.
        bounds: What is too many, too large or packed too well.
        entries: The entries of `download.map`.

    Raises:
        SourceError: It cannot be read.
        DataError: It cannot be told how.
    """
    if not path.exists():
        raise SourceError(f"{path}: not found; give a folder, an archive or a table")
    try:
        return _inspect(path, bounds, tuple(entries), "")
    except LayoutError as error:
        if not error.entries:
            raise
        try:
            return _inspect(path, bounds, (*entries, *error.entries), str(error))
        except FerflowError:  # It is about entries that nobody has typed.
            raise error from None


def _inspect(path: Path, bounds: DownloadParams, entries: tuple[str, ...], problem: str) -> Inspection:
    formats: Counter[str] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()

    def observe(content: bytes, size: tuple[int, int]) -> None:
        try:
            formats[read_header(content).kind] += 1
        except BadImageError:  # it was decoded, whatever its header says
            formats["other"] += 1
        sizes[size] += 1

    mapping = parse_map(entries, option=Wording().key)
    if is_table(path, bounds):
        pictures = read_table(path, bounds, mapping=mapping, wording=Wording(), cut=None, observe=observe)
        num_rows = len(pictures.faces) - sum(formats.values())
        if num_rows:
            formats["row of pixels"] += num_rows
            sizes[48, 48] += num_rows
        source = "csv"
    else:
        pictures = read_pictures(path, bounds, mapping=mapping, wording=Wording(), cut=None, observe=observe)
        source = "archive"
    return Inspection(path, source, pictures, formats, sizes, entries, problem)


def describe(inspection: Inspection) -> str:
    """What was found, and the command that reads it, in lines."""
    pictures = inspection.pictures
    lines = [f"{inspection.path}: {len(pictures.places):,} images, read as source {inspection.source}"]
    if inspection.problem:
        lines += ["as it is, it cannot be read:", f"  {inspection.problem}"]
        lines += [f"with {', '.join(inspection.entries)}, if that is what is meant:"]
    lines += [*_counts(inspection), *_names(inspection), *_odd_files(inspection)]
    counts = inspection.counts
    absent = [emotion for emotion in EMOTIONS if not any(counts[emotion, usage] for usage in USAGES)]
    if absent:
        lines.append(f"no image of {', '.join(absent)}: can be scored, but training needs all seven emotions")
    return "\n".join([*lines, "read it with", f"  {command_of(inspection)}"])


def _counts(inspection: Inspection) -> list[str]:
    counts = inspection.counts
    rows = {emotion: [counts[emotion, usage] for usage in USAGES] for emotion in EMOTIONS}
    rows["all"] = [sum(row[column] for row in rows.values()) for column in range(len(USAGES))]
    return [
        f"{'':<12}" + "".join(f"{usage:>13}" for usage in USAGES),
        *(f"{name:<12}" + "".join(f"{count:>13,}" for count in row) for name, row in rows.items()),
    ]


def _names(inspection: Inspection) -> list[str]:
    layout = inspection.pictures.layout
    classes = ", ".join(f"{name} = {emotion or 'left out'}" for name, emotion in layout.classes.items())
    subsets = ", ".join(f"{name} = {' and '.join(usages)}" for name, usages in layout.subsets.items())
    sizes = {f"{width}x{height}": count for (width, height), count in inspection.sizes.items()}
    return [
        f"{'classes':<12}{classes}",
        f"{'subsets':<12}{subsets or 'none named'}",
        f"{'formats':<12}{_most(inspection.formats)}",
        f"{'sizes':<12}{_most(sizes)}",
    ]


def _odd_files(inspection: Inspection) -> list[str]:
    layout, bad_images = inspection.pictures.layout, inspection.pictures.bad_images
    return [
        f"{'odd files':<12}{layout.num_passed_over:,} passed over, {len(layout.litter):,} hidden or of a "
        f"system, {len(layout.left_out):,} images left out, {len(bad_images):,} images that cannot be used",
        *(f"  {remark}" for remark in remarks_on(layout)),
        *(f"  {bad.name}: {bad.reason}" for bad in bad_images[:_NUM_NAMED]),
    ]


def command_of(inspection: Inspection) -> str:
    """The command that makes `download` read the path this way."""
    path = str(inspection.path.resolve())
    changes = [f"download.source={inspection.source}", f"download.path={_as_value(path)}"]
    settings = " ".join(f"--set {shlex.quote(change)}" for change in changes)
    if inspection.entries:
        settings += f" {Wording().line(inspection.entries)}"
    if inspection.schemes:
        settings += f" --set split.scheme={inspection.schemes[0]}"
    if detector_at_hand() is None:  # As without network: the line is to work all the same.
        settings += " --set download.detector=haar"
    # Not `sample`, whose network and distances are those of drawings.
    return f"ferflow profile cpu {settings}"


def _as_value(text: str) -> str:
    """The text as YAML that is read as just this text."""
    try:
        if parse_yaml(text) == text:
            return text
    except ValueError:
        pass
    return "'" + text.replace("'", "''") + "'"


def _most(counts: dict[str, int]) -> str:
    found = Counter(counts).most_common()
    rest = sum(count for _, count in found[_NUM_NAMED:])
    listed = ", ".join(f"{name} ({count:,})" for name, count in found[:_NUM_NAMED])
    return f"{listed}, others ({rest:,})" if rest else listed or "none"
