"""Train and record: stage train, with its run in a journal that the tracking store is sent."""

from __future__ import annotations

from pathlib import Path

from ferflow.params import Params
from ferflow.stages.train import TrainReport
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.workflows import stage
from ferflow.workflows.running import running


def train(params: Params, *, origin: Path | None = None) -> TrainReport:
    """Train the network on the split here; a stopped training goes on from its last epoch.

    Args:
        params: The parameters.
        origin: The file that they are from, which must not change meanwhile; None where they are from none.

    Raises:
        DataError: The split is missing or damaged, or a subset is empty.
        ModelError: The network cannot be built, or its loss is no longer finite.
        OutputError: A result cannot be written, or would not fit to what lies here by now.
    """
    with running("train", params, origin), recorded_training(Path(), params) as on_epoch:
        report: TrainReport = stage.run_at("train", params, seed=params.seed, on_epoch=on_epoch)
    return report
