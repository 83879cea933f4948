"""Parquet as on Hugging Face: a file or a folder of them, images and labels by the names of columns."""

from __future__ import annotations

from pathlib import Path

from ferflow.data.origins import Source
from ferflow.data.sources.sources import SourceContent, read_rows
from ferflow.params import DownloadParams
from ferflow.params.section import Section


class Options(Section):
    """Names of the columns; null: one of the usual names."""

    image_column: str | None = None
    label_column: str | None = None


def read(params: DownloadParams, options: Options, seed: int) -> SourceContent:  # noqa: ARG001
    """Read pixels, or encoded pictures, from the columns that are named."""
    roles = {"pixels": options.image_column, "emotion": options.label_column}
    named = {role: name for role, name in roles.items() if name is not None}
    return read_rows(Path(params.path or ""), params, named=named)


ENTRY = Source(options=Options, read=read, has_path=True, needs="pyarrow")
