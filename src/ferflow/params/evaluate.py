"""Section `evaluate`: how a network is scored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ferflow.params.section import Section


class EvaluateParams(Section):
    """How the test subset is scored."""

    batch_size: Annotated[int, Field(ge=1, le=8192)]
    test_time_augmentation: Literal["none", "flip", "ten_crop", "whole_and_ten_crop"]
    confidence_level: Annotated[float, Field(gt=0.5, lt=1, allow_inf_nan=False)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
