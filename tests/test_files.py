"""Atomic results and stage locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferflow.errors import OutputError
from ferflow.files import atomic_directory, atomic_file, output_error, sha256_of, stage_lock, write_json
from tests.full_disk import file_size_limit


def test_atomic_directory_replaces_the_old_one_whole(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with atomic_directory(target) as fresh:
        (fresh / "new.txt").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_atomic_directory_keeps_the_old_one_when_the_block_raises(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_directory(target) as fresh:
        (fresh / "new.txt").write_text("new")
        raise ZeroDivisionError
    assert [path.name for path in target.iterdir()] == ["old.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_atomic_directory_restores_what_a_kill_between_two_renames_left(tmp_path):
    (tmp_path / "result.tmp-old").mkdir()
    (tmp_path / "result.tmp-old" / "old.txt").write_text("old")
    (tmp_path / "result.tmp-abc").mkdir()
    with pytest.raises(ZeroDivisionError), atomic_directory(tmp_path / "result"):
        raise ZeroDivisionError
    assert (tmp_path / "result" / "old.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_atomic_file_leaves_the_old_one_when_the_block_raises(tmp_path):
    target = tmp_path / "figure.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["figure.json"]


def test_atomic_file_sweeps_up_what_a_killed_run_left(tmp_path):
    (tmp_path / "figure.tmp-99999.json").write_text("half")
    (tmp_path / "other.json").write_text("other")
    with atomic_file(tmp_path / "figure.json") as fresh:
        fresh.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.json", "other.json"]


def test_atomic_directory_is_left_as_it_was_when_the_last_rename_fails(tmp_path, monkeypatch):
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")
    rename = Path.rename

    def fail_at_the_new(path, to):
        if to == target and not path.name.endswith("-old"):
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail_at_the_new)
    with pytest.raises(OutputError, match="disk is full"), atomic_directory(target) as fresh:
        (fresh / "new.txt").write_text("new")
    assert [path.name for path in target.iterdir()] == ["old.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_atomic_file_says_why_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), atomic_file(tmp_path / "file" / "below.txt"):
        pass


@pytest.mark.parametrize(("number", "cure"), [(28, "disk is full"), (30, "read-only"), (13, "permissions")])
def test_output_error_names_the_cure(tmp_path, number, cure):
    error = output_error(tmp_path, OSError(number, os.strerror(number)))
    assert cure in str(error)
    assert str(tmp_path) in str(error)


def test_write_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "metrics.json", {"accuracy": float("nan")})
    assert not list(tmp_path.iterdir())


def test_write_json_ends_with_a_newline(tmp_path):
    write_json(tmp_path / "metrics.json", {"accuracy": 0.5})
    assert (tmp_path / "metrics.json").read_text().endswith("}\n")
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"accuracy": 0.5}


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_stage_lock_waits_for_the_holder_and_is_freed_by_its_death(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from ferflow.files import stage_lock\n"
        "with stage_lock('train', directory=Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        messages: list[str] = []

        def on_wait(message: str) -> None:
            messages.append(message)
            holder.send_signal(signal.SIGKILL)

        started = time.monotonic()
        with stage_lock("train", directory=tmp_path, on_wait=on_wait) as was_free:
            assert not was_free
    assert time.monotonic() - started < 30
    assert f"process {holder.pid}" in messages[0]


def test_stage_lock_is_free_without_another_run(tmp_path):
    with stage_lock("train", directory=tmp_path) as was_free:
        assert was_free


def test_stage_lock_on_a_full_disk_is_a_readable_error(tmp_path):
    with (
        file_size_limit(0),
        pytest.raises(OutputError, match=r"train\.lock: cannot be written"),
        stage_lock("train", directory=tmp_path),
    ):
        pass
