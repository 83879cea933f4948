"""Bring the images in and share them out: every stage before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferflow.params import Params
from ferflow.stages.table import BEFORE_TRAINING
from ferflow.workflows import stage


def prepare(params: Params, *, origin: Path | None = None) -> dict[str, Any]:
    """Run the stages before training, one after the other, at their usual places below the current folder.

    Args:
        params: The parameters.
        origin: The file that they are from, which must not change meanwhile; None where they are from none.

    Returns:
        Name of each stage to its report.

    Raises:
        FerflowError: A stage cannot do its work.
    """
    return {name: stage.run(name, params, origin=origin) for name in BEFORE_TRAINING}
