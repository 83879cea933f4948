"""Training functions without a network, for sweeps that are over in seconds; other processes import them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from ferflow.params import Params

OnEpoch = Callable[[dict[str, float]], None]


def accuracy(params: Params, epoch: int) -> float:
    """A score that is best at learning rate 0.05 and dropout_head 0.2, and rises with the epochs."""
    distance = abs(math.log10(params.train.learning_rate / 0.05)) + abs(params.model.dropout_head - 0.2)
    return (1 - min(distance, 2.0) / 2) * (1 - 0.5 / epoch)


def train(params: Params, folder: Path, on_epoch: OnEpoch) -> float:
    """Go through the epochs at once."""
    return _train(params, folder, on_epoch, seconds=0)


def train_slowly(params: Params, folder: Path, on_epoch: OnEpoch) -> float:
    """Take a tenth of a second an epoch, and go on from the last epoch of an earlier attempt."""
    return _train(params, folder, on_epoch, seconds=0.1)


def _train(params: Params, folder: Path, on_epoch: OnEpoch, *, seconds: float) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "epochs.txt"
    first = int(done.read_text()) if done.exists() else 0
    with (folder / "attempts.txt").open("a") as stream:
        stream.write(f"{first}\n")
    for epoch in range(first + 1, params.train.epochs + 1):
        time.sleep(seconds)
        fresh = folder / f"epochs.{os.getpid()}"
        fresh.write_text(str(epoch))
        fresh.replace(done)
        on_epoch({"epoch": epoch, "val_accuracy": accuracy(params, epoch)})
    return accuracy(params, params.train.epochs)
