"""Write the parameter file from a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferflow import paths
from ferflow.profiles import write_profile


@dataclass(frozen=True)
class ProfileReport:
    """What was written.

    Attributes:
        target: The parameter file.
        backup: Where its former content is kept; None where that was a profile.
    """

    target: Path
    backup: Path | None


def profile(name: str, *, changes: Sequence[str] = ()) -> ProfileReport:
    """Write `params.yaml` from a profile.

    Args:
        name: The name of the profile.
        changes: Such as `train.epochs=3`.

    Raises:
        ParamsError: There is no such profile or key, or a value is refused.
        OutputError: The file cannot be written.
    """
    backup = write_profile(name, list(changes), profiles=paths.PROFILES, target=paths.PARAMS)
    return ProfileReport(paths.PARAMS, backup)
