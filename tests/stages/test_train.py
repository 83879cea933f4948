"""Stage train: files it writes, the same bytes twice, and errors that name the cure."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from ferflow.data.store import write_arrays
from ferflow.errors import DataError
from ferflow.files import sha256_of
from ferflow.model import backend
from ferflow.model.network import load_network
from ferflow.params import check_params
from ferflow.stages import train


@pytest.fixture
def params(sample_values):
    sample_values["model"] |= {"widths": [4], "depths": [1]}
    sample_values["train"] |= {"epochs": 2, "batch_size": 16}
    return check_params(sample_values, origin="tiny")


@pytest.fixture
def split_dir(tmp_path):
    """A split of noise: 40 training and 14 validation images."""
    random = np.random.default_rng(1)
    for name, number in (("train", 40), ("val", 14)):
        write_arrays(
            tmp_path / "split" / f"{name}.npz",
            {
                "images": random.integers(0, 256, (number, 48, 48), dtype=np.uint8),
                "labels": (np.arange(number) % 7).astype(np.uint8),
            },
        )
    return tmp_path / "split"


def _run(params, split_dir, folder):
    return train.run(
        params,
        split_dir=split_dir,
        model_path=folder / "model.keras",
        reports_dir=folder / "reports",
        checkpoint_dir=folder / "checkpoints",
    )


def test_run_writes_network_history_and_report(params, split_dir, tmp_path):
    report = _run(params, split_dir, tmp_path)
    assert load_network(tmp_path / "model.keras").input_shape == (None, 48, 48, 1)
    with (tmp_path / "reports" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert (tmp_path / "reports" / "history.png").read_bytes().startswith(b"\x89PNG")
    saved = json.loads((tmp_path / "reports" / "train.json").read_text())
    assert saved["num_training"] == report.num_training == 40
    assert saved["model_sha256"] == sha256_of(tmp_path / "model.keras")
    assert saved["parameters"]["total"] == saved["parameters"]["trainable"] + saved["parameters"]["frozen"]


@pytest.mark.slow
def test_run_with_other_parameters_or_data_does_not_go_on_with_a_foreign_checkpoint(
    params, split_dir, tmp_path
):
    first = _run(params, split_dir, tmp_path)
    other = params.model_copy(update={"seed": 3})
    assert _run(other, split_dir, tmp_path).run != first.run
    (split_dir / "val.npz").write_bytes((split_dir / "train.npz").read_bytes())
    assert _run(params, split_dir, tmp_path).run != first.run


def test_a_checkpoint_of_another_arithmetic_is_a_foreign_one(params, split_dir, monkeypatch):
    values = params.model_copy(update={"train": params.train.model_copy(update={"precision": "auto"})})
    runs = set()
    for has_bfloat16 in (False, True):
        monkeypatch.setattr(backend, "cpu_has_bfloat16", lambda found=has_bfloat16: found)
        runs.add(train._fingerprint(values, {}, split_dir))
    assert len(runs) == 2


@pytest.mark.parametrize("problem", ["missing", "damaged", "empty", "label"])
def test_run_names_the_file_that_cannot_be_used_and_writes_nothing(params, split_dir, tmp_path, problem):
    path = split_dir / "val.npz"
    if problem == "missing":
        path.unlink()
    elif problem == "damaged":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        number = 0 if problem == "empty" else 3
        images, labels = np.zeros((number, 48, 48), np.uint8), np.full(number, 9, np.uint8)
        write_arrays(path, {"images": images, "labels": labels})
    with pytest.raises(DataError, match=r"val\.npz: .*run the"):
        _run(params, split_dir, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["split"]
