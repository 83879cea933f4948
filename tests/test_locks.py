"""Locks between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ferflow.errors import OutputError
from ferflow.locks import Lock, is_held, locked, stage_lock
from tests.full_disk import file_size_limit


def test_stage_lock_waits_for_the_holder_and_is_freed_by_its_death(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from ferflow.locks import stage_lock\n"
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


_TAKES_A_LOCK = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from ferflow.locks import Lock
print(Lock(Path(sys.argv[1])).acquire(wait=False))
"""


def test_what_a_kernels_lock_left_holds_nobody_where_there_is_none(tmp_path):
    """As in a project that was used on Linux and is now on a system without such locks."""
    path = tmp_path / "a.lock"
    path.touch()

    def take() -> str:
        command = [sys.executable, "-c", _TAKES_A_LOCK, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert take() == "False"  # Somebody may be about to write a name into it.
    os.utime(path, (1, 1))
    assert take() == "True"


def test_a_lock_has_one_holder_and_is_free_again_when_given_back(tmp_path):
    first, second = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    assert first.acquire()
    assert not second.acquire(wait=False)
    assert is_held(first.path)
    first.release()
    assert not is_held(first.path)
    assert second.acquire(wait=False)
    second.release()


def test_a_lock_that_nobody_made_is_held_by_nobody_and_asking_makes_none(tmp_path):
    assert not is_held(tmp_path / "a.lock")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_though_its_owner_forgets_it(tmp_path):
    assert Lock(tmp_path / "a.lock").acquire()
    assert is_held(tmp_path / "a.lock")


def test_a_lock_where_no_file_can_be_made_is_a_readable_error(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"a\.lock: cannot be written"),
        locked(tmp_path / "file" / "a.lock"),
    ):
        pass


def test_waiters_take_turns(tmp_path):
    """Four processes add to a number under the lock: none of their turns is lost."""
    code = (
        "import sys; from pathlib import Path; from ferflow.locks import locked\n"
        "number = Path(sys.argv[1]) / 'number'\n"
        "for _ in range(25):\n"
        "    with locked(Path(sys.argv[1]) / 'a.lock'):\n"
        "        number.write_text(str(int(number.read_text()) + 1))"
    )
    (tmp_path / "number").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", code, tmp_path]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "number").read_text() == "100"


_WITHOUT_KERNEL_LOCKS = """
import subprocess, sys
from pathlib import Path
from ferflow.locks import is_held, stage_lock
folder = Path(sys.argv[1])
holder = subprocess.Popen(
    [sys.executable, "-c", "import time; from pathlib import Path; from ferflow.locks import stage_lock\\n"
     f"with stage_lock('train', directory=Path({str(folder)!r})): print(1, flush=True); time.sleep(60)"],
    stdout=subprocess.PIPE,
)
holder.stdout.readline()
def end(message):
    print(message)
    holder.kill()
    holder.wait()
print(is_held(folder / "train.lock"))
with stage_lock("train", directory=folder, on_wait=end) as was_free:
    print(was_free, is_held(folder / "train.lock"))
print(is_held(folder / "train.lock"))
"""


def test_locks_do_their_work_without_kernel_locks_too(tmp_path, without_linux):
    """The file itself is the lock there; the dead lose theirs, and the holder is named."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_KERNEL_LOCKS, tmp_path],
        env=os.environ | without_linux,
        capture_output=True,
        text=True,
        check=True,
    )
    held, message, inside, after = done.stdout.splitlines()
    assert (held, inside, after) == ("True", "False True", "False")
    assert message.startswith("stage train is being run by process ")
    assert done.stderr == ""
