"""A zip, tar, 7z, RAR or folder that holds a folder of images for each class."""

from __future__ import annotations

from pathlib import Path

from ferflow.data.origins import Source
from ferflow.data.sources.sources import SourceContent, read_archive
from ferflow.params import DownloadParams
from ferflow.params.section import Section


def read(params: DownloadParams, options: Section, seed: int) -> SourceContent:  # noqa: ARG001
    """Read it by the names of its folders."""
    return read_archive(Path(params.path or ""), params)


ENTRY = Source(options=Section, read=read, has_path=True)
