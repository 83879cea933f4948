"""`ferflow tune` with a real network, in processes of their own, as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferflow.data.store import write_arrays
from ferflow.params import load_params
from ferflow.profiles import change_values
from ferflow.tracking import lineage
from tests.conftest import REPOSITORY

_SPACE = [
    {"key": "train.learning_rate", "kind": "float", "low": 0.001, "high": 0.1, "log": True},
    {"key": "model.dense_units", "kind": "choice", "choices": [0, 4]},
]


def _ferflow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ferflow", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FERFLOW_TRACKING": "off"},
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A folder with a small split and parameters of a tiny network."""
    folder = tmp_path_factory.mktemp("repository")
    for name, number in (("train", 63), ("val", 28)):
        labels = (np.arange(number) % 7).astype(np.uint8)
        images = np.random.default_rng(number).integers(0, 60, (number, 48, 48), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[6 * label : 6 * label + 6] += 180
        write_arrays(folder / "data" / "split" / f"{name}.npz", {"images": images, "labels": labels})
    shutil.copy(REPOSITORY / "params.yaml", folder / "params.yaml")
    tiny = {"model.widths": [4], "model.depths": [1], "train.epochs": 3, "tune.space": _SPACE}
    change_values(folder / "params.yaml", tiny)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_winner_is_applied_and_trained_to_the_same_score(repository):
    done = _ferflow(repository, "tune", "--trials", "2", "--jobs", "1", "--apply", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {state: number for state, number in result["trials"].items() if number} == {"complete": 2}
    params = load_params(repository / "params.yaml")
    assert params.train.learning_rate == result["best_params"]["train.learning_rate"]
    assert params.model.dense_units == result["best_params"]["model.dense_units"]
    run_params = lineage.flat(params.model_dump(mode="json"))
    assert run_params["tune.applied.study"] == result["study"]
    assert run_params["tune.applied.trial"] == str(result["best_trial"])
    assert float(run_params["tune.applied.value"]) == pytest.approx(result["best_value"], abs=1e-6)
    assert (repository / "reports" / "sweep" / "index.html").is_file()
    assert not list(repository.glob(".ferflow/tuning/trials/*/*/checkpoints"))
    # What a trial computes is what the stage computes.
    trained = _ferflow(repository, "train")
    assert trained.returncode == 0, trained.stderr
    report = json.loads((repository / "reports" / "train.json").read_text())
    assert report["val_accuracy"] == pytest.approx(result["best_value"], abs=1e-6)
    # The applied values are of the same study, which has enough.
    again = _ferflow(repository, "tune", "--trials", "2", "--json")
    assert json.loads(again.stdout.splitlines()[-1])["trials"] == result["trials"], again.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tune.space": [{**_SPACE[0], "key": "train.rate"}]}, "unknown key 'train.rate'"),
        (
            {"train.learning_rate": 0.5},
            "train.learning_rate is 0.5, but tune.space wants a number",
        ),
    ],
)
def test_a_bad_space_is_one_line_before_the_first_trial(repository, tmp_path, change, expected):
    shutil.copy(repository / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data").symlink_to(repository / "data")
    change_values(tmp_path / "params.yaml", change)
    done = _ferflow(tmp_path, "tune")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".ferflow").exists()


def test_without_a_split_the_cure_is_said(tmp_path):
    shutil.copy(REPOSITORY / "params.yaml", tmp_path / "params.yaml")
    done = _ferflow(tmp_path, "tune")
    assert done.returncode == 1
    assert "data/split/train.npz" in done.stderr
