"""Checkpoints: newest whole generation, damage, bounds on disk."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ferflow.errors import OutputError
from ferflow.model.checkpoint import CheckpointStore, CheckpointWriter


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
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "of another epoch", "another digit"])
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
    elif damage == "another digit":
        old, new = (b'"epoch": 2', b'"epoch": 3') if name == "state.json" else (content[-200:-199], b"x")
        path.write_bytes(content.replace(old, new))
    else:
        path.write_bytes(bytes([content[0] ^ 255]) + content[1:])
    assert _loaded_epoch(store) == 1


def test_runs_of_other_fingerprints_are_kept_apart_and_bounded(tmp_path):
    for letter in "abcd":
        _save(CheckpointStore(tmp_path, letter * 64), 1)
    assert _loaded_epoch(CheckpointStore(tmp_path, "d" * 64)) == 1
    assert len(list(tmp_path.iterdir())) == 3


class _SlowStore(CheckpointStore):
    """Writes when it is let, and fails at an epoch."""

    def __init__(self, folder, *, fails_at=0):
        super().__init__(folder, "a" * 64)
        self.may_write, self.has_begun = threading.Event(), threading.Event()
        self.fails_at, self.began = fails_at, []

    def save(self, epoch, arrays, state):
        self.began.append(epoch)
        self.has_begun.set()
        assert self.may_write.wait(60)
        if epoch == self.fails_at:
            raise OutputError("the disk is full")
        super().save(epoch, arrays, state)


def test_a_writer_returns_before_it_has_written_and_writes_one_generation_at_a_time(tmp_path):
    store = _SlowStore(tmp_path)
    with CheckpointWriter(store) as writer:
        writer.save(1, {"weights": np.ones(3)}, {"epoch": 1})
        assert _loaded_epoch(store) is None  # Training goes on meanwhile.
        second = threading.Thread(target=writer.save, args=(2, {"weights": np.ones(3)}, {"epoch": 2}))
        second.start()
        assert store.has_begun.wait(60)
        assert store.began == [1]
        store.may_write.set()
        second.join()
    assert store.began == [1, 2]
    assert _loaded_epoch(store) == 2


@pytest.mark.parametrize("where", ["next", "end"])
def test_an_error_of_a_writer_surfaces_at_the_next_generation_or_the_end(tmp_path, where):
    store = _SlowStore(tmp_path, fails_at=2)
    store.may_write.set()
    reached = []

    def train():
        with CheckpointWriter(store) as writer:
            for epoch in (1, 2, 3) if where == "next" else (1, 2):
                writer.save(epoch, {"weights": np.ones(3)}, {"epoch": epoch})
                reached.append(epoch)

    with pytest.raises(OutputError, match="disk is full"):
        train()
    assert reached == [1, 2]
    assert _loaded_epoch(store) == 1


def test_a_writer_ends_its_work_where_training_fails(tmp_path):
    store = CheckpointStore(tmp_path, "a" * 64)
    with pytest.raises(ZeroDivisionError), CheckpointWriter(store) as writer:
        writer.save(1, {"weights": np.ones(3)}, {"epoch": 1})
        raise ZeroDivisionError
    assert _loaded_epoch(store) == 1
