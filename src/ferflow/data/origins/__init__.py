"""Where images come from: a file each; `download.source` names one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferflow.params.entries import Entry, Registry

if TYPE_CHECKING:
    from ferflow.data.sources.sources import SourceContent


@dataclass(frozen=True, kw_only=True)
class Source(Entry):
    """What a source says of itself.

    Attributes:
        read: Called with the section `download`, the source's options and the seed of the run.
        has_path: Whether `download.path` says where it is; that it is there, and the file that
            `download.sha256` names, is checked before `read`.
        needs: The package that it cannot do without, besides those that ferflow always needs.
    """

    read: Callable[[Any, Any, int], SourceContent]
    has_path: bool = False
    needs: str | None = None


REGISTRY = Registry(__name__, Source, key="download.source")
