"""Section `registry`: what a version needs to become champion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferflow.params.section import Section, Share


class RegistryParams(Section):
    """What a registered model needs to become champion."""

    class_floor: Share
    significance: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    equal_margin: Share
