"""Section `tune` of the parameters: what a sweep searches, and what it may cost."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ferflow.params.entries import OpenSection
from ferflow.params.section import Section

Number = Annotated[float, Field(allow_inf_nan=False)]
Key = Annotated[str, Field(pattern=r"^[a-z_0-9]+(\.[a-z_0-9]+)+$")]


class FloatRange(Section):
    """A key whose value is drawn from a range of numbers, on a logarithmic scale if `log`."""

    key: Key
    kind: Literal["float"]
    low: Number
    high: Number
    log: bool

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, is_log=self.log)
        return self


class IntRange(Section):
    """A key whose value is drawn from a range of whole numbers, both ends included."""

    key: Key
    kind: Literal["int"]
    low: int
    high: int
    log: bool

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, is_log=self.log)
        return self


class Choice(Section):
    """A key whose value is one of several, of any kind that the key takes."""

    key: Key
    kind: Literal["choice"]
    choices: list[Any]

    @model_validator(mode="after")
    def _has_different_choices(self) -> Self:
        texts = [repr(choice) for choice in self.choices]
        if len(texts) < 2 or len(set(texts)) < len(texts):
            raise ValueError(f"choices is {self.choices}, expected two or more different values")
        return self


Entry = Annotated[FloatRange | IntRange | Choice, Field(discriminator="kind")]


class Applied(Section):
    """The trial whose values `ferflow tune --apply` wrote into the file."""

    study: str
    trial: Annotated[int, Field(ge=0)]
    value: Number


class TuneParams(OpenSection):
    """What a sweep searches, how it chooses, when it stops a trial, and its budget."""

    packages: ClassVar = ("ferflow.tuning.samplers",)

    trials: Annotated[int, Field(ge=1, le=100_000)]
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    jobs: Annotated[int, Field(ge=1, le=1024)]
    sampler: str
    pruner: Literal["successive_halving", "hyperband", "median", "none"]
    pruner_epochs: Annotated[int, Field(ge=1, le=10_000)]
    pruner_factor: Annotated[int, Field(ge=2, le=100)]
    space: Annotated[list[Entry], Field(min_length=1)]
    applied: Applied | None

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        keys = [entry.key for entry in self.space]
        if doubled := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"space has {', '.join(doubled)} twice; give each key one entry")
        return self


def _check_range(low: float, high: float, *, is_log: bool) -> None:
    if not low < high:
        raise ValueError(f"low is {low:g} and high {high:g}: the range is empty; give a low below high")
    if is_log and low <= 0:
        raise ValueError(
            f"low is {low:g}, but log is true, which needs low above 0; raise low or set log: false"
        )
    if not math.isfinite(high - low):
        raise ValueError(f"low is {low:g} and high {high:g}: the range is too wide; narrow it")
