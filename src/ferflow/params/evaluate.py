"""Section `evaluate`: how a network is scored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ferflow.params.section import Section

# What `test_time_augmentation` can name, and how many passes through the network an answer takes with it.
NUM_VIEWS = {"none": 1, "flip": 2, "ten_crop": 10, "whole_and_ten_crop": 12}


class EvaluateParams(Section):
    """How the test subset is scored."""

    batch_size: Annotated[int, Field(ge=1, le=8192)]
    test_time_augmentation: Literal["none", "flip", "ten_crop", "whole_and_ten_crop"]
    confidence_level: Annotated[float, Field(gt=0.5, lt=1, allow_inf_nan=False)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
