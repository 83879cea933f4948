"""SIGKILL at random steps: the run ends with the weights of one that was never killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ferflow.data.store import write_arrays
from ferflow.files import sha256_of
from tests.conftest import REPOSITORY
from tests.lives import Lives

_EPOCHS, _STEPS_PER_EPOCH, _BATCH_SIZE = 6, 7, 8

# For `Lives`: runs the train stage in a folder, which kills itself after a number of steps of its own.
_LIVES = """
import json, os, signal, sys, traceback
from pathlib import Path
from ferflow.model.backend import load_keras
from ferflow.params import check_params
from ferflow.stages import train

load_keras()
from ferflow.model import training

advance = training.StepProgress.advance

def count(self, number):
    global left
    before, left = left, left - number
    if before > 0 >= left:
        os.kill(os.getpid(), signal.SIGKILL)
    advance(self, number)

training.StepProgress.advance = count

def live(values):
    train.run(
        check_params(values, origin="test"),
        split_dir=Path("split"),
        model_path=Path("model.keras"),
        reports_dir=Path("reports"),
        checkpoint_dir=Path("checkpoints"),
    )
    print("steps taken:", -left, file=sys.stderr)

for line in sys.stdin:
    folder, left, values = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(folder)
            live(values)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def values(sample_values):
    """A tiny network with every random draw that training knows."""
    sample_values["model"] |= {"widths": [4], "depths": [1], "dropout_features": 0.2, "dropout_head": 0.3}
    sample_values["augment"] |= {"erasing": 0.5, "mixup": 0.3}
    sample_values["train"] |= {"epochs": _EPOCHS, "batch_size": _BATCH_SIZE, "ema_momentum": 0.9}
    sample_values["train"]["steps_per_dispatch"] = 2
    return sample_values


def _lives(log: Path) -> Lives:
    """Lives of a training, each with its folder, the steps before its kill and the parameters."""
    return Lives(_LIVES, log=log, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")})


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
    # Another process, in which hashes of names are others.
    with _lives(tmp_path / "whole.log") as lives:
        assert lives.live(str(whole), 0, values) == 0, lives.printed()

    # Each life takes up to an epoch and a half, so that some kills fall before its first checkpoint.
    kills = random.integers(1, _STEPS_PER_EPOCH * 3 // 2, size=5).tolist()
    with _lives(tmp_path / "killed.log") as lives:
        for steps in kills:
            assert lives.live(str(killed), steps, values) == -signal.SIGKILL, lives.printed()
            assert not (killed / "model.keras").exists()
        assert lives.live(str(killed), 0, values) == 0, lives.printed()
        printed = lives.printed()
    assert printed.count("steps taken: ") == 1
    assert "steps taken: 0\n" not in printed
    assert sha256_of(killed / "model.keras") == sha256_of(whole / "model.keras"), kills
    for name in ("history.csv", "train.json"):
        assert (killed / "reports" / name).read_bytes() == (whole / "reports" / name).read_bytes(), kills
