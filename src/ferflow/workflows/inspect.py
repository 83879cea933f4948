"""How a path would be read as images, without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferflow.data.sources import inspection
from ferflow.data.sources.inspection import Inspection
from ferflow.params import DownloadParams


@dataclass(frozen=True)
class InspectReport:
    """How a path is read.

    Attributes:
        found: Subsets, classes, counts and odd files.
        text: The same for people, with the line to type.
    """

    found: Inspection
    text: str


def inspect(path: Path, bounds: DownloadParams, *, entries: Sequence[str] = ()) -> InspectReport:
    """Look at a folder, an archive or a table.

    Args:
        path: The path of it.
        bounds: Section `download`: how large images and files may be.
        entries: As `download.map`.

    Raises:
        SourceError: It is missing, or nothing of it can be read.
    """
    found = inspection.inspect_source(path, bounds, entries=entries)
    return InspectReport(found, inspection.describe(found))
