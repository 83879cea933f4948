"""Section `export`: what an exported model may differ by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferflow.params.section import PositiveInt, Section, Share


class ExportParams(Section):
    """How much the exported model may differ from the network, and what it is quantised by."""

    calibration_images: PositiveInt
    max_difference: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    max_accuracy_loss: Share
