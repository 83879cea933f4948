"""SIGKILL at random steps: the run ends with the weights of one that was never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from ferflow.data.store import write_arrays
from ferflow.files import sha256_of
from tests.conftest import REPOSITORY

_EPOCHS, _STEPS_PER_EPOCH, _BATCH_SIZE = 6, 7, 8

# Runs the train stage in the current folder; kills itself after a number of steps of its own.
_LIFE = """
import json, os, signal, sys
from pathlib import Path
from ferflow.params import check_params
from ferflow.stages import train
from ferflow.model import training

left = int(sys.argv[2])
advance = training.StepProgress.advance

def count(self, number):
    global left
    before, left = left, left - number
    if before > 0 >= left:
        os.kill(os.getpid(), signal.SIGKILL)
    advance(self, number)

training.StepProgress.advance = count
train.run(
    check_params(json.loads(sys.argv[1]), origin="test"),
    split_dir=Path("split"),
    model_path=Path("model.keras"),
    reports_dir=Path("reports"),
    checkpoint_dir=Path("checkpoints"),
)
print("steps taken:", -left)
"""


@pytest.fixture
def values(sample_values):
    """A tiny network with every random draw that training knows."""
    sample_values["model"] |= {"widths": [4], "depths": [1], "dropout_features": 0.2, "dropout_head": 0.3}
    sample_values["augment"] |= {"erasing": 0.5, "mixup": 0.3}
    sample_values["train"] |= {"epochs": _EPOCHS, "batch_size": _BATCH_SIZE, "ema_momentum": 0.9}
    sample_values["train"]["steps_per_dispatch"] = 2
    return sample_values


def _live(values, folder, *, kill_after=0):
    """Train until the end or the kill; returns the exit code and what was printed."""
    done = subprocess.run(
        [sys.executable, "-c", _LIFE, json.dumps(values), str(kill_after)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_five_kills_at_random_steps_change_no_bit(tmp_path, values):
    random = np.random.default_rng()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        for name, number in (("train", _STEPS_PER_EPOCH * _BATCH_SIZE - 3), ("val", 14)):
            arrays = {
                "images": np.random.default_rng(1).integers(0, 256, (number, 48, 48), dtype=np.uint8),
                "labels": (np.arange(number) % 7).astype(np.uint8),
            }
            write_arrays(folder / "split" / f"{name}.npz", arrays)
    code, printed = _live(values, whole)
    assert code == 0, printed

    # Each life takes up to an epoch and a half, so that some kills fall before its first checkpoint.
    kills = random.integers(1, _STEPS_PER_EPOCH * 3 // 2, size=5).tolist()
    for steps in kills:
        code, printed = _live(values, killed, kill_after=steps)
        assert code == -signal.SIGKILL, printed
        assert not (killed / "model.keras").exists()
    code, printed = _live(values, killed)
    assert code == 0, printed
    assert "steps taken: 0" not in printed
    assert sha256_of(killed / "model.keras") == sha256_of(whole / "model.keras"), kills
    for name in ("history.csv", "train.json"):
        assert (killed / "reports" / name).read_bytes() == (whole / "reports" / name).read_bytes(), kills
