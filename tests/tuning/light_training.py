"""Training functions without a network, for sweeps that are over in seconds; other processes import them."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ferflow.errors import ModelError
from ferflow.params import Params

OnEpoch = Callable[[dict[str, float]], None]

# While a sweep's folder has this file, each attempt at a trial stops after two epochs and says so in its own.
HOLD = "hold"
HELD = "held.txt"
_HELD_AFTER = 2


def accuracy(params: Params, epoch: int) -> float:
    """A score that is best at learning rate 0.05 and dropout_head 0.2, and rises with the epochs."""
    distance = abs(math.log10(params.train.learning_rate / 0.05)) + abs(params.model.dropout_head - 0.2)
    return (1 - min(distance, 2.0) / 2) * (1 - 0.5 / epoch)


def train(params: Params, folder: Path, on_epoch: OnEpoch) -> float:
    """Go through the epochs at once."""
    return _train(params, folder, on_epoch)


def train_slowly(params: Params, folder: Path, on_epoch: OnEpoch) -> float:
    """Take some time for each epoch, and stop in the middle while the sweep is held."""
    return _train(params, folder, on_epoch, seconds=0.1)


def train_badly(params: Params, folder: Path, on_epoch: OnEpoch) -> float:
    """Fail in another way for each number of dense units."""
    on_epoch({"epoch": 1, "val_accuracy": 0.1})
    units = params.model.dense_units
    if units == 1:
        raise ModelError("train: the loss became nan in epoch 2")
    if units == 2:
        raise MemoryError
    if units == 3:
        raise ValueError("a library's error\nwith a second line")
    if units == 4:
        os.kill(os.getpid(), signal.SIGKILL)  # As the kernel does when memory is exhausted.
    if units == 5:
        return math.nan
    return 0.5


def _train(params: Params, folder: Path, on_epoch: OnEpoch, *, seconds: float = 0) -> float:
    """Go on from the last epoch of an earlier attempt; writes down where each attempt began."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "epochs.txt"
    first = int(done.read_text()) if done.exists() else 0
    with (folder.parent / "attempts.txt").open("a") as stream:
        stream.write(f"{first}\n")
    for epoch in range(first + 1, params.train.epochs + 1):
        time.sleep(seconds)
        fresh = folder / "epochs.tmp"
        fresh.write_text(str(epoch))
        fresh.replace(done)
        on_epoch({"epoch": epoch, "val_accuracy": accuracy(params, epoch)})
        if epoch == first + _HELD_AFTER and epoch < params.train.epochs:
            _wait_while_held(folder.parent)
    return accuracy(params, params.train.epochs)


def _wait_while_held(trial: Path) -> None:
    """Wait while the sweep is held; the file says which worker's trial this is.

    Args:
        trial: Folder of the trial: `tuning/trials/STUDY/NUMBER` of the sweep's.
    """
    hold = trial.parents[3] / HOLD
    if not hold.exists():
        return
    fresh = trial / "held.tmp"
    fresh.write_text(str(os.getppid()))
    fresh.replace(trial / HELD)
    while hold.exists():
        time.sleep(0.02)
