"""Checkpoints: newest whole generation, damage, bounds on disk."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.model.checkpoint import CheckpointStore


def _save(store: CheckpointStore, *epochs: int) -> None:
    for epoch in epochs:
        store.save(epoch, {"weights": np.full(3, epoch, np.float32)}, {"epoch": epoch})


def _loaded_epoch(store: CheckpointStore) -> int | None:
    found = store.load()
    return None if found is None else found[1]["epoch"]


def test_load_gives_the_newest_generation(tmp_path):
    store = CheckpointStore(tmp_path, "a" * 64)
    _save(store, 1, 2, 3)
    arrays, state = store.load()
    np.testing.assert_array_equal(arrays["weights"], np.full(3, 3, np.float32))
    assert state == {"epoch": 3}
    assert len(list((tmp_path / ("a" * 16)).iterdir())) == 2


def test_load_without_a_generation_gives_none(tmp_path):
    assert CheckpointStore(tmp_path, "a" * 64).load() is None


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "of another epoch"])
def test_load_passes_over_a_damaged_generation(tmp_path, name, damage):
    store = CheckpointStore(tmp_path, "a" * 64)
    _save(store, 1, 2)
    path = tmp_path / ("a" * 16) / "epoch-00002" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "of another epoch":
        path.write_bytes((path.parents[1] / "epoch-00001" / name).read_bytes())
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes([content[0] ^ 255]) + content[1:])
    assert _loaded_epoch(store) == 1


def test_runs_of_other_fingerprints_are_kept_apart_and_bounded(tmp_path):
    for letter in "abcd":
        _save(CheckpointStore(tmp_path, letter * 64), 1)
    assert _loaded_epoch(CheckpointStore(tmp_path, "d" * 64)) == 1
    assert len(list(tmp_path.iterdir())) == 3
