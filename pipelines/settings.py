"""Typed, strict settings of the cluster; `pipelines/config.yaml` is their only home."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import ValidationError, model_validator

from ferflow.errors import ParamsError
from ferflow.params import describe_problem, read_yaml
from pipelines.sections import (
    Gpu,
    Image,
    Notifications,
    Retry,
    Secrets,
    Section,
    Security,
    Server,
    Spot,
    Steps,
    Sweep,
    Volumes,
)

# The cure that a missing key of params.yaml has.
_NOT_A_PROFILE = "start from a profile with 'ferflow profile NAME'"
# Argo counts a duration in nanoseconds of 63 bits.
_LONGEST_WINDOW = 9_000_000_000
CONFIG = Path(__file__).with_name("config.yaml")


class Settings(Section):
    """All settings of a cluster."""

    image: Image
    server: Server
    steps: Steps
    retry: Retry
    gpu: Gpu
    spot: Spot
    volumes: Volumes
    secrets: Secrets
    sweep: Sweep
    security: Security
    notifications: Notifications

    @model_validator(mode="after")
    def _tries_end_some_day(self) -> Self:
        for name, field in type(self.steps).model_fields.items():
            window = self.retry.window(getattr(self.steps, name))
            if window > _LONGEST_WINDOW:
                key = f"steps.{field.alias or name}"
                raise ValueError(
                    f"the tries of {key} and the waits between them add up to {window:.3g} seconds, more "
                    f"than Argo can count ({_LONGEST_WINDOW:,}); lower retry.factor (1: every wait is the "
                    f"same) or {key}.retries"
                )
        return self

    @model_validator(mode="after")
    def _backend_shares_batches(self) -> Self:
        most = max(self.steps.train.gpus, self.steps.tune_worker.gpus)
        if most > 1 and self.image.backend != "jax":
            raise ValueError(
                f"image.backend is {self.image.backend}, which trains on one GPU, but a step has {most}; set "
                "jax, or one GPU"
            )
        return self

    @model_validator(mode="after")
    def _spot_has_a_volume(self) -> Self:
        if self.spot.enabled and self.volumes.work is None:
            raise ValueError(
                "spot.enabled is true, but volumes.work is null: an evicted training would start anew; name "
                "a claim or set spot.enabled: false"
            )
        return self


def load_settings(path: Path = CONFIG) -> Settings:
    """Read and check the settings.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key or value is wrong.
    """
    if not path.exists():
        raise ParamsError(
            f"{path}: not found; give --config a copy of pipelines/config.yaml, or leave it out"
        )
    return check_settings(read_yaml(path), origin=str(path))


def changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Settings with other values of some keys, checked.

    Args:
        settings: The settings.
        changes: Dotted key to value; None changes nothing.

    Raises:
        ParamsError: A value is wrong.
    """
    content = settings.model_dump(by_alias=True)
    given = {key: value for key, value in changes.items() if value is not None}
    for key, value in given.items():
        *sections, last = key.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[last] = value
    return check_settings(content, origin=f"settings with another {', '.join(given) or 'nothing'}")


def check_settings(values: object, *, origin: str) -> Settings:
    """Check settings.

    Args:
        values: Nested plain values.
        origin: What the error calls the place they came from.

    Raises:
        ParamsError: Names every wrong key with its value and what is allowed.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [describe_problem(problem) for problem in error.errors()]
    # A value that is refused for its password is not shown with it.
    shown = [
        re.sub(r"://\S*@", "://...@", text.removeprefix(".")).replace(_NOT_A_PROFILE, "take it from git")
        for text in problems
    ]
    raise ParamsError(f"{origin}: " + "\n  ".join(shown))
