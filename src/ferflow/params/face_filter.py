"""Section `face_filter`: what counts as a face."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ferflow.params.section import PositiveInt, Section, Share


class YuNetLook(Section):
    """One way in which YuNet looks at an image: enlarged, turned, equalised, framed."""

    side: Annotated[int, Field(ge=32, le=1024)]
    margin: Annotated[int, Field(ge=0, le=512)]
    turn: Literal[0, 90, 180, 270]
    contrast: Annotated[float, Field(ge=0, le=40, allow_inf_nan=False)]


class HaarLook(Section):
    """One way in which a Haar cascade looks at an image: which one, enlarged, framed, in which steps."""

    cascade: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    side: Annotated[int, Field(ge=48, le=1024)]
    margin: Annotated[int, Field(ge=0, le=512)]
    smallest: Annotated[int, Field(ge=20, le=1024)]
    step: Annotated[float, Field(gt=1.005, le=2, allow_inf_nan=False)]
    half_score_votes: PositiveInt


class FaceFilterParams(Section):
    """When an image counts as showing a face, and the looks that a detector takes, cheapest first."""

    min_score: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    accept_score: Share
    max_lost_share: Share
    yunet_looks: Annotated[list[YuNetLook], Field(min_length=1)]
    haar_looks: Annotated[list[HaarLook], Field(min_length=1)]

    @model_validator(mode="after")
    def _accepts_what_it_keeps(self) -> Self:
        if self.accept_score < self.min_score:
            raise ValueError(
                f"accept_score {self.accept_score} is below min_score {self.min_score}; "
                "a score that ends the search must be one that keeps the image: raise accept_score too"
            )
        return self
