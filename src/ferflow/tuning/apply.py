"""Bring the best values of a study into a parameter file."""

from __future__ import annotations

from pathlib import Path

from ferflow.errors import TuningError
from ferflow.profiles import change_values
from ferflow.tuning.sweep import Summary


def apply_best(summary: Summary, path: Path) -> None:
    """Write the best trial's values into a parameter file, and which trial they are from.

    Comments and the order of keys are kept.

    Raises:
        TuningError: No trial is complete.
        ParamsError: The file is missing, or lacks a key, or refuses a value; it is left as it was.
        OutputError: It cannot be written.
    """
    if summary.best_trial is None or summary.best_value is None:
        raise TuningError(
            f"study {summary.study}: no trial is complete, so there is nothing to apply; run it longer"
        )
    origin = {
        "study": summary.study,
        "trial": summary.best_trial,
        "value": round(summary.best_value, 6),
    }
    change_values(path, {**summary.best_params, "tune.applied": origin})
