"""Journals: what is written before anything is sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ferflow.errors import OutputError, TrackingError
from ferflow.tracking.outbox.journal import (
    FAILED,
    KILLED,
    RUNNING,
    TRAINED,
    Journal,
    Record,
    Subset,
    Value,
    all_journals,
    close_killed,
    create_journal,
    new_key,
)

# Writes a journal with two epochs and then waits to be killed.
_TRAINING = """
import sys, time
from pathlib import Path
from ferflow.tracking.outbox.journal import Record, Value, create_journal
journal = create_journal(Path(sys.argv[1]), Record("killed", "a run", started=1000))
journal.append(Value(2000, 1, {"loss": 2.0}))
journal.append(Value(3000, 2, {"loss": 1.0}))
print("begun", flush=True)
time.sleep(60)
"""


def test_a_record_is_read_as_it_was_written(tmp_path: Path):
    record = Record("key", "a name", params={"seed": "1"}, metrics={"loss": 0.5}, started=5)
    record.subsets = [Subset("train", "data/split/train.npz", "ab", 7)]
    journal = create_journal(tmp_path, record)
    assert journal.read() == record


def test_values_come_back_in_order_without_a_line_that_was_torn(tmp_path: Path):
    journal = create_journal(tmp_path, Record("key", "name"))
    values = [Value(step * 10, step, {"loss": 1 / step}) for step in (1, 2, 3)]
    for value in values:
        journal.append(value)
    with (journal.folder / "values.jsonl").open("a") as stream:
        stream.write('{"time": 40, "step": 4, "val')
    assert journal.values() == values


def test_kept_files_stay_what_they_were_when_a_stage_writes_anew(tmp_path: Path):
    journal = create_journal(tmp_path, Record("key", "name"))
    plots = tmp_path / "reports" / "plots"
    plots.mkdir(parents=True)
    (plots / "roc.png").write_bytes(b"first")
    journal.keep(tmp_path / "reports" / "plots", "reports/plots")
    fresh = plots / "fresh"
    fresh.write_bytes(b"second")
    fresh.replace(plots / "roc.png")
    assert (journal.files / "reports/plots/roc.png").read_bytes() == b"first"


def test_keys_differ_and_sort_by_time():
    keys = [new_key() for _ in range(20)]
    assert len(set(keys)) == 20
    assert [key[:15] for key in keys] == sorted(key[:15] for key in keys)


@pytest.fixture
def begun(tmp_path: Path):
    """A process that trains, to be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAINING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_run_whose_process_was_killed_is_closed_with_its_last_value(begun, tmp_path: Path):
    os.kill(begun.pid, signal.SIGKILL)
    begun.wait()
    (journal,) = close_killed(tmp_path)
    record = journal.read()
    assert (record.state, record.ended) == (KILLED, 3000)
    assert close_killed(tmp_path) == []


def test_a_run_that_goes_on_is_left_alone(begun, tmp_path: Path):
    assert close_killed(tmp_path) == []
    assert all_journals(tmp_path)[0].read().state == RUNNING


def test_a_run_that_ended_by_itself_keeps_its_state(tmp_path: Path):
    journal = create_journal(tmp_path, Record("key", "name", state=FAILED))
    journal.release()
    assert close_killed(tmp_path) == []
    assert journal.read().state == FAILED


def test_a_run_that_ends_while_it_is_looked_at_keeps_its_state(tmp_path: Path, monkeypatch):
    journal = create_journal(tmp_path, Record("key", "name"))

    def end_it(_: Journal) -> bool:
        journal.write(Record("key", "name", state=TRAINED))
        journal.release()
        return False

    monkeypatch.setattr(Journal, "is_alive", end_it)
    assert close_killed(tmp_path) == []
    assert journal.read().state == TRAINED


def test_a_damaged_journal_is_named_with_the_cure_and_stops_no_other(tmp_path: Path):
    damaged = create_journal(tmp_path, Record("damaged", "name"))
    damaged.release()
    (damaged.folder / "run.json").write_text("{")
    other = create_journal(tmp_path, Record("other", "name"))
    other.release()
    with pytest.raises(TrackingError, match=r"damaged/run.json: not readable .* remove "):
        damaged.read()
    assert [journal.key for journal in close_killed(tmp_path)] == ["other"]


def test_a_record_of_a_later_version_is_read_too(tmp_path: Path):
    journal = create_journal(tmp_path, Record("key", "name"))
    path = journal.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new": 1}))
    assert journal.read().name == "name"


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path):
    (tmp_path / ".ferflow").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        create_journal(tmp_path, Record("key", "name"))


def test_secrets_do_not_get_into_a_journal(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("KFP_PASSWORD", "planted-secret-7")
    tags = {"kfp.url": "https://me:planted-secret-7@kubeflow.example/#/runs/1", "profile": "sample"}
    record = Record("key", "name", tags=tags, params={"download.path": "https://h/?token=planted-secret-8"})
    journal = create_journal(tmp_path, record)
    journal.release()
    text = (journal.folder / "run.json").read_text()
    assert "planted" not in text
    assert journal.read().tags["profile"] == "sample"
