"""SIGKILL at random moments of training: how many epochs each one loses, and whether a bit changes.

    python -m benchmarks.training_kills --kills 50
    KERAS_BACKEND=jax python -m benchmarks.training_kills --kills 50 --set train.steps_per_dispatch=3

A tiny network with every random draw is trained once without kills. Then it is trained by lives that are
killed at a random moment, each going on where the one before was. A life may lose the epoch that it was in,
and the one whose checkpoint was being written. At the end the networks of both are compared. Each life is
forked from one process, which has loaded the libraries.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive, profile_params
from ferflow.data.store import write_arrays
from ferflow.files import sha256_of
from ferflow.params import Params

_NETWORK = ["model.widths=[4]", "model.depths=[1]", "model.dropout_features=0.2", "augment.mixup=0.3"]
_TRAINING = ["train.batch_size=8", "train.ema_momentum=0.9", "train.warmup_epochs=0.0"]
_IMAGES = {"train": 85, "val": 14}


def main() -> None:
    """Train with and without kills and print what was lost; with --json one more line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=positive, default=50, help="(default: 50)")
    parser.add_argument("--epochs", type=positive, default=200, help="of the training (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        changes = [*_NETWORK, *_TRAINING, f"train.epochs={arguments.epochs}", *arguments.changes]
        params = profile_params("sample", changes)
        with tempfile.TemporaryDirectory() as folder:
            result = measure(params, Path(folder), kills=arguments.kills, seed=arguments.seed)
    print(
        f"{result['backend']}: {result['kills']} kills, at most {result['most_epochs_lost']} finished epochs "
        f"lost, the network is {'the same' if result['same_network'] else 'ANOTHER'}"
    )
    finish(result, arguments)
    sys.exit(0 if result["same_network"] and result["most_epochs_lost"] <= 1 else 1)


def measure(params: Params, folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """Train twice, the second time with kills.

    Args:
        params: Of the training.
        folder: For data and results.
        kills: How many.
        seed: Of the moments.

    Returns:
        Backend, number of kills, the epochs that were told as finished and had to be trained again, by kill,
        and whether the networks are equal.
    """
    # Loaded before the lives are forked; nothing computes here.
    from ferflow.model import training  # noqa: F401
    from ferflow.model.backend import backend_version
    from ferflow.stages import train

    for name, number in _IMAGES.items():
        draws = np.random.default_rng(1)
        arrays = {
            "images": draws.integers(0, 256, (number, 48, 48), dtype=np.uint8),
            "labels": (np.arange(number) % 7).astype(np.uint8),
        }
        write_arrays(folder / "split" / f"{name}.npz", arrays)
    started = time.monotonic()
    _live(train, params, folder, "whole", None)
    seconds = time.monotonic() - started
    moments = random.Random(seed)  # noqa: S311
    lost: list[int] = []
    is_same, told = True, 0
    while len(lost) < kills:
        # Some die while they start; most in the first third of what a whole training takes.
        first, last = _live(train, params, folder, "killed", moments.uniform(0, seconds / 3))
        lost.append(told - (first - 1) if first else 0)  # One that told nothing leaves it to the next.
        told = last or told
        if (folder / "killed" / "model.keras").is_file():  # It came to its end: another training begins.
            is_same &= _are_equal(folder)
            shutil.rmtree(folder / "killed")
            told = 0
    _live(train, params, folder, "killed", None)
    is_same &= _are_equal(folder)
    return {
        "backend": backend_version(),
        "kills": len(lost),
        "epochs_lost": lost,
        "most_epochs_lost": max(lost),
        "steps_per_dispatch": params.train.steps_per_dispatch,
        "seconds_without_kills": round(seconds, 1),
        "same_network": is_same,
    }


def _are_equal(folder: Path) -> bool:
    whole, killed = (sha256_of(folder / name / "model.keras") for name in ("whole", "killed"))
    return whole == killed


def _live(
    stage: Any, params: Params, folder: Path, name: str, seconds: float | None
) -> tuple[int | None, int | None]:
    """Train in a forked process, killed after some seconds; the first and the last epoch that it told of."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _train_and_exit(stage, params, folder, name, write)
    os.close(write)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read) as stream:
        epochs = [int(line) for line in stream if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    if seconds is None and status:
        raise SystemExit(f"training failed with status {status}; see above")
    return (epochs[0], epochs[-1]) if epochs else (None, None)


def _train_and_exit(stage: Any, params: Params, folder: Path, name: str, pipe: int) -> None:
    code = 1
    try:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        stage.run(
            params,
            split_dir=folder / "split",
            model_path=folder / name / "model.keras",
            reports_dir=folder / name,
            checkpoint_dir=folder / name / "checkpoints",
            on_epoch=lambda row: os.write(pipe, f"{row['epoch']:.0f}\n".encode()),
        )
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
