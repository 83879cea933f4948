"""Section `augment`: random changes of training images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferflow.params.section import Section, Share


class AugmentParams(Section):
    """Random changes of a training image; each is drawn anew for each image and step."""

    rotation: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)]
    zoom: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    shift: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    flip: bool
    brightness: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    contrast: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    erasing: Share
    erasing_area: Annotated[float, Field(gt=0, le=0.9, allow_inf_nan=False)]
    mixup: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
