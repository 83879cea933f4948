"""A table as `fer2013.csv`: columns of emotion, pixels and usage, in CSV or Parquet, packed or not."""

from __future__ import annotations

from pathlib import Path

from ferflow.data.origins import Source
from ferflow.data.sources.sources import SourceContent, read_rows
from ferflow.params import DownloadParams
from ferflow.params.section import Section


def read(params: DownloadParams, options: Section, seed: int) -> SourceContent:  # noqa: ARG001
    """Read it by the usual names of the columns."""
    return read_rows(Path(params.path or ""), params)


ENTRY = Source(options=Section, read=read, has_path=True)
