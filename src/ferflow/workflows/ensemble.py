"""Several networks as one: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferflow import paths
from ferflow.params import Params
from ferflow.stages import ensemble as stage
from ferflow.stages.ensemble import EnsembleReport, StoredScores
from ferflow.workflows.running import locked

# Whose results it replaces, so that the two do not run at the same time.
_REPLACED = "train"


def ensemble(members: Sequence[Path], params: Params) -> EnsembleReport:
    """Make one network of several and put it where training puts its own.

    Args:
        members: `.keras` files of `ferflow train`, two or more.
        params: Section `evaluate`: batch size and views of the validation.

    Raises:
        DataError: The validation images are missing or damaged.
        ModelError: A member is missing, damaged or named twice, or would be overwritten.
        OutputError: A result cannot be written.
    """
    with locked(_REPLACED):
        return stage.write_ensemble(
            members, params, split_dir=paths.SPLIT, model_path=paths.MODEL, reports_dir=paths.REPORTS
        )


def score_stored(files: Sequence[Path], *, view: str) -> list[StoredScores]:
    """Score files of probabilities (`.npz`) and their mean; nothing is written.

    Args:
        files: What runs have left.
        view: Which of the probabilities.

    Raises:
        DataError: A file or the split is missing, damaged, lacks the view, or is of other images.
    """
    return stage.score_stored(files, view=view, split_dir=paths.SPLIT)
