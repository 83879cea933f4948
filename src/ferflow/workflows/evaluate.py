"""Evaluate and record: stage evaluate, whose figures go on with the run of the training."""

from __future__ import annotations

from pathlib import Path

from ferflow.params import Params
from ferflow.stages.results import EvaluateReport
from ferflow.tracking.outbox.scoring import record_evaluation
from ferflow.workflows import stage
from ferflow.workflows.running import running


def evaluate(params: Params, *, origin: Path | None = None) -> EvaluateReport:
    """Score the trained network on the test images, with and without those that have a copy in train or val.

    Args:
        params: The parameters.
        origin: The file that they are from, which must not change meanwhile; None where they are from none.

    Raises:
        DataError: The split, or a report of an earlier stage, is missing or damaged.
        ModelError: The network is missing, damaged or gives no probabilities.
        OutputError: A result cannot be written, or would not fit to what lies here by now.
    """
    with running("evaluate", params, origin):
        report: EvaluateReport = stage.run_at("evaluate", params.evaluate, seed=params.seed)
        record_evaluation(Path(), params)
    return report
