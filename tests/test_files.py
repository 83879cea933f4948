"""Atomic results."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferflow.errors import OutputError
from ferflow.files import atomic_directory, atomic_file, output_error, sha256_of, write_json
from ferflow.temporaries import left_over, temporary_name


def test_an_error_names_the_place_and_not_the_temporary_one(tmp_path):
    target = tmp_path / "data"
    with pytest.raises(OutputError) as caught, atomic_directory(target) as folder:
        raise output_error(folder / "images.npz", OSError(errno.EFBIG, "too large"))
    assert str(caught.value).startswith(f"{target}/images.npz: cannot be written (File too large); the limit")
    assert "ulimit -f" in str(caught.value)


@pytest.mark.parametrize("kind", ["device", "pipe", "open file"])
def test_no_result_takes_the_place_of_a_device(kind, tmp_path):
    target = tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(os.devnull if kind == "device" else "/proc/self/fd/0")
    with pytest.raises(OutputError, match=f"{target}: is a pipe or device, expected a file; choose another"):
        write_json(target, {})
    assert target.is_symlink() or not target.is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_is_too_long_is_one_error(tmp_path):
    with pytest.raises(OutputError, match=r"cannot be written .File name too long"):
        write_json(tmp_path / ("n" * 300), {})


@pytest.mark.parametrize("target", [Path("/"), Path()])
def test_a_place_without_a_name_is_one_error(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="is a folder, expected a file; choose another place"):
        write_json(target, {})
    if target == Path("/"):
        with pytest.raises(OutputError, match="no folder that can be replaced"), atomic_directory(target):
            raise AssertionError


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


def _name_of_a_dead_writer(target: Path, *, keep_suffix: bool) -> str:
    """A temporary name of `target` as a process leaves it that was killed."""
    code = (
        "import sys; from pathlib import Path; from ferflow.temporaries import temporary_name\n"
        "print(temporary_name(Path(sys.argv[1]), keep_suffix=sys.argv[2] == 'True'))"
    )
    command = [sys.executable, "-c", code, target, str(keep_suffix)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_atomic_directory_restores_what_a_kill_between_two_renames_left(tmp_path):
    name = _name_of_a_dead_writer(tmp_path / "result", keep_suffix=False)
    (tmp_path / f"{name}-old").mkdir()
    (tmp_path / f"{name}-old" / "old.txt").write_text("old")
    (tmp_path / name).mkdir()
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
    name = _name_of_a_dead_writer(tmp_path / "figure.json", keep_suffix=True)
    (tmp_path / name).write_text("half")
    (tmp_path / "figure.tmp-99999999.json").write_text("half, by a former version")
    (tmp_path / "other.json").write_text("other")
    with atomic_file(tmp_path / "figure.json") as fresh:
        fresh.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.json", "other.json"]


def test_a_temporary_whose_writer_nobody_knows_is_kept_for_a_day(tmp_path):
    (tmp_path / "figure.tmp-abcdefgh.json").write_text("half")
    write_json(tmp_path / "figure.json", {})
    assert (tmp_path / "figure.tmp-abcdefgh.json").exists()
    long_ago = time.time() - 25 * 3600
    os.utime(tmp_path / "figure.tmp-abcdefgh.json", (long_ago, long_ago))
    write_json(tmp_path / "figure.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["figure.json"]


@pytest.mark.parametrize(
    ("change", "is_left"),
    [
        ({}, False),
        ({"start": 1}, True),
        ({"boot": "00000000"}, True),
        ({"place": "00000000"}, False),
        ({"place": "00000000", "boot": "00000000"}, False),
    ],
    ids=["this process", "its number used anew", "before a restart", "elsewhere", "elsewhere, other boot"],
)
def test_only_the_temporaries_of_the_dead_are_left_over(tmp_path, change, is_left):
    target = tmp_path / "figure.json"
    head, pid, start, boot, place, end = temporary_name(target, keep_suffix=True).split("-")
    found = {"pid": pid, "start": start, "boot": boot, "place": place} | change
    (tmp_path / f"{head}-{'-'.join(map(str, found.values()))}-{end}").write_text("half")
    assert bool(left_over(target, keep_suffix=True)) is is_left


@pytest.mark.parametrize("name", ["n" * 245 + ".json", "é" * 120 + ".json"])
def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path, name):
    write_json(tmp_path / name, {})
    with atomic_directory(tmp_path / name.replace(".json", ".d")) as fresh:
        (fresh / "new.txt").write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, name.replace(".json", ".d")])


_RIVAL = """
import sys; from pathlib import Path; from ferflow.files import atomic_directory, write_json
folder, rival = Path(sys.argv[1]), sys.argv[2]
for turn in range(int(sys.argv[3])):
    write_json(folder / "state.json", {"rival": rival, "turn": turn})
    with atomic_directory(folder / "result") as fresh:
        (fresh / "a.txt").write_text(rival)
        (fresh / "b.txt").write_text(rival)
"""


def test_rivals_that_write_the_same_result_all_end_well(tmp_path):
    rivals = [
        subprocess.Popen([sys.executable, "-c", _RIVAL, tmp_path, str(number), "25"], stderr=subprocess.PIPE)
        for number in range(4)
    ]
    errors = [rival.communicate()[1].decode() for rival in rivals]
    assert errors == [""] * 4
    assert json.loads((tmp_path / "state.json").read_text())["turn"] == 24
    texts = [(tmp_path / "result" / name).read_text() for name in ("a.txt", "b.txt")]
    assert texts[0] == texts[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result", "state.json"]


@pytest.mark.parametrize("exists", [True, False], ids=["to a folder", "to a place where nothing is yet"])
def test_an_output_folder_that_is_a_link_stays_one(tmp_path, exists):
    place = tmp_path / "bigger disk" / "split"
    if exists:
        place.mkdir(parents=True)
        (place / "old.txt").write_text("old")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "split").symlink_to(place)
    for _ in range(2):
        with atomic_directory(tmp_path / "data" / "split") as fresh:
            assert fresh.parent == place.parent
            (fresh / "new.txt").write_text("new")
    assert (tmp_path / "data" / "split").is_symlink()
    assert [path.name for path in place.iterdir()] == ["new.txt"]
    assert [path.name for path in place.parent.iterdir()] == ["split"]


def test_a_file_below_a_link_to_a_folder_that_is_not_there_yet_is_written(tmp_path):
    (tmp_path / "reports").symlink_to(tmp_path / "elsewhere" / "reports")
    write_json(tmp_path / "reports" / "metrics.json", {})
    assert (tmp_path / "elsewhere" / "reports" / "metrics.json").is_file()


def test_a_file_that_is_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    """DVC can link results to its cache."""
    (tmp_path / "cache").write_text("cached")
    (tmp_path / "metrics.json").symlink_to(tmp_path / "cache")
    write_json(tmp_path / "metrics.json", {})
    assert (tmp_path / "cache").read_text() == "cached"
    assert not (tmp_path / "metrics.json").is_symlink()


def test_permissions_follow_the_umask(tmp_path):
    former = os.umask(0o077)
    try:
        write_json(tmp_path / "metrics.json", {})
        with atomic_directory(tmp_path / "result") as fresh:
            (fresh / "new.txt").write_text("new")
    finally:
        os.umask(former)
    found = [
        (tmp_path / name).stat().st_mode & 0o777 for name in ("metrics.json", "result", "result/new.txt")
    ]
    assert found == [0o600, 0o700, 0o600]


def test_a_folder_is_on_the_disk_with_all_below_it_before_it_takes_its_place(tmp_path, monkeypatch):
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with atomic_directory(tmp_path / "result") as fresh:
        (fresh / "deep").mkdir()
        (fresh / "deep" / "new.txt").write_text("new")
    assert synced == ["new.txt", "deep", fresh.name, tmp_path.name]


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
