"""Faces drawn by ferflow, the same for the same seed; no network, no files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferflow.data.drawn.sample import draw_sample
from ferflow.data.origins import Source
from ferflow.data.sources.sources import SourceContent
from ferflow.params import DownloadParams
from ferflow.params.section import Section


class Options(Section):
    """How many faces."""

    sample_images: Annotated[int, Field(ge=140, le=100_000)]


def read(params: DownloadParams, options: Options, seed: int) -> SourceContent:  # noqa: ARG001
    """Draw them."""
    return SourceContent(draw_sample(options.sample_images, seed=seed), ())


ENTRY = Source(options=Options, read=read)
