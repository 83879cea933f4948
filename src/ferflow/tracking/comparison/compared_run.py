"""A run with all that a comparison needs of it."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferflow.errors import TrackingError
from ferflow.tracking.comparison.paired import Predictions
from ferflow.tracking.tracked_run import TrackedRun, histories_of, predictions_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_RUNS = 10


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        letter: What tables and pictures call it.
        run: What the store has of it.
        predictions: The predictions of the test images.
        history: Metric of each epoch to (epoch, value), in order.
    """

    letter: str
    run: TrackedRun
    predictions: Predictions
    history: dict[str, list[tuple[int, float]]]

    @property
    def leak_free_accuracy(self) -> float:
        """Share of the leak-free test images that it has right; 0 where there is none."""
        right = self.predictions.leak_free().right()
        return float(right.mean()) if len(right) else 0.0


def load_runs(client: MlflowClient, runs: Sequence[TrackedRun]) -> list[ComparedRun]:
    """Fetch what a comparison needs of each run.

    Raises:
        TrackingError: There are too few or too many runs, one holds no predictions, or the store
            cannot be reached.
        DataError: Predictions are damaged.
    """
    unique = list({run.run_id: run for run in runs}.values())
    if len(unique) < 2:
        found = unique[0].label if unique else "none"
        raise TrackingError(
            f"compare: {len(unique)} scored run found ({found}), expected at least 2; "
            "run the pipeline with other parameters, or name runs"
        )
    if len(unique) > MAX_RUNS:
        raise TrackingError(f"compare: {len(unique)} runs named, expected at most {MAX_RUNS}; name fewer")
    return [
        ComparedRun(letter, run, predictions_of(client, run), histories_of(client, run))
        for letter, run in zip(string.ascii_uppercase, unique, strict=False)
    ]
