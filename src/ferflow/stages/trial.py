"""A trial of a sweep: training as the stage does it, without keeping the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ferflow import model, paths
from ferflow.data.subsets import load_subset
from ferflow.params import Params


def train_once(params: Params, checkpoint_dir: Path, on_epoch: Callable[[dict[str, float]], None]) -> float:
    """Train as the stage `train` does, without keeping the network; a trial of a sweep.

    Args:
        params: The parameters.
        checkpoint_dir: Where each epoch's state is kept.
        on_epoch: Called with the history row of each epoch.

    Returns:
        The best validation accuracy.

    Raises:
        DataError: The split is missing or damaged.
        ModelError: The network cannot be built or trained.
        OutputError: A checkpoint cannot be written.
    """
    training, validation = (load_subset(paths.SPLIT / f"{name}.npz") for name in ("train", "val"))
    model.backend.set_up_process(params.seed, params.train.precision, params.train.devices)
    state = model.training.train_network(
        model.network.build_network(params.model),
        training,
        validation,
        params=params,
        checkpoints=model.checkpoint.CheckpointStore(checkpoint_dir, "trial"),
        on_epoch=on_epoch,
    )
    return state.best_accuracy
