"""Section `split`: which images train, select and are scored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ferflow.params.section import Section


class SplitParams(Section):
    """Which images train, which select and which are scored."""

    scheme: Literal["paper", "kaggle", "random"]
    validation_share: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)]
    test_share: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)]
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    near_duplicate_correlation: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    contradictory: Literal["keep", "drop"]
    leaked: Literal["keep", "drop"]
