"""A repository's folder with a split of noise and parameters of a tiny network, for the real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ferflow import paths
from ferflow.data.store import write_arrays
from ferflow.profiles import write_profile
from tests.conftest import REPOSITORY
from tests.stages.test_evaluate import write_split

_CHANGES = ("model.widths=[4]", "model.depths=[1]", "train.batch_size=16")


def write_repository(root: Path, *changes: str) -> None:
    """Write split and parameters.

    Args:
        root: The folder.
        changes: Parameters besides those of a tiny network, such as `train.epochs=3`.
    """
    write_split(root / paths.SPLIT)
    random = np.random.default_rng(1)
    for name, number in (("train", 40), ("val", 14)):
        write_arrays(
            root / paths.SPLIT / f"{name}.npz",
            {
                "images": random.integers(0, 256, (number, 48, 48), dtype=np.uint8),
                "labels": (np.arange(number) % 7).astype(np.uint8),
            },
        )
    write_profile(
        "sample", [*_CHANGES, *changes], profiles=REPOSITORY / "profiles", target=root / paths.PARAMS
    )


def start(root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `ferflow` with arguments there."""
    return subprocess.Popen(
        [sys.executable, "-m", "ferflow", *arguments],
        cwd=root,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(root: Path, *arguments: str, **environment: str) -> str:
    """Run `ferflow`, which must succeed; what it printed, standard error included."""
    process = start(root, *arguments, **environment)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    return printed


def everything_of(client: Any, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Every value of every metric of a run: name to (step, value)."""
    names = client.get_run(run_id).data.metrics
    return {
        name: [(entry.step, entry.value) for entry in client.get_metric_history(run_id, name)]
        for name in names
    }
