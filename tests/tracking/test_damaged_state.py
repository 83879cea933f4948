"""State files with bytes of any kind: what can be read is used, the rest is told, nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferflow.cli import tracking
from ferflow.errors import TrackingError
from ferflow.params import Params
from ferflow.tracking import names, store
from ferflow.tracking.outbox import sync
from ferflow.tracking.outbox.journal import (
    KILLED,
    Journal,
    Record,
    Value,
    all_journals,
    close_killed,
    create_journal,
)
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.tracking.outbox.sent import Budget, Sent, is_complete
from ferflow.tracking.outbox.upload import send
from tests.tracking.light_runs import EPOCHS, light_run
from tests.tracking.test_upload import assert_is_whole_and_single, runs_of

_BAD = {
    "no UTF-8": b"\xff",
    "no JSON": b'{"time": 1, "st',
    "deep": b"[" * 100_000,
    "another type": b'{"time": "soon", "step": 1, "values": {}}',
    "a list": b"[1, 2]",
    "values of text": b'{"time": 1, "step": 1, "values": {"loss": "low"}}',
    "a huge number": b'{"time": 1' + b"0" * 400 + b', "step": 1, "values": {}}',
    "beyond the columns": b'{"time": 99999999999999999999, "step": 1, "values": {}}',
    "negative": b'{"time": 1, "step": -1, "values": {}}',
    "zeros": b"\x00" * 500,
}
_ROW = {"epoch": 1.0, **dict.fromkeys(names.EPOCH_METRICS, 0.5)}


@pytest.mark.parametrize("name", _BAD)
def test_a_bad_line_of_a_killed_run_is_set_aside_and_told_and_the_rest_is_used(
    name: str, tmp_path: Path, capsys
):
    journal = create_journal(tmp_path, Record("killed", "a run", started=1000))
    values = [Value(2000, 1, {"loss": 2.0}), Value(3000, 2, {"loss": 1.0})]
    journal.append(values[0])
    path = journal.folder / "values.jsonl"
    path.write_bytes(path.read_bytes() + _BAD[name])  # Torn, too: no newline follows.
    journal.append(values[1])
    journal.release()
    assert journal.values() == values
    (closed,) = close_killed(tmp_path)
    assert (closed.read().state, closed.read().ended) == (KILLED, 3000)
    (line,) = capsys.readouterr().err.splitlines()
    assert "values.jsonl: 1 line could not be read and is set aside in values.rejected" in line
    assert (journal.folder / "values.rejected").read_bytes() == _BAD[name] + b"\n"
    assert journal.values() == values
    assert close_killed(tmp_path) == []


@given(content=st.binary(max_size=2000))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_any_state_file_are_read_or_refused_in_one_line(content: bytes, tmp_path: Path):
    folder = tmp_path / "journal"
    folder.mkdir(exist_ok=True)
    journal = Journal(folder)
    for name in ("run.json", "values.jsonl", "sent.json"):
        (folder / name).write_bytes(content)
    assert all(isinstance(value, Value) for value in journal.values())
    assert Sent.load(journal) is None or isinstance(Sent.load(journal), Sent)
    try:
        journal.read()
    except TrackingError as error:
        message = str(error)
    else:
        return
    assert str(folder) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", _BAD)
def test_a_killed_run_with_bad_bytes_keeps_no_later_training_from_its_start(
    name: str, embedded: Path, sample_params: Params, monkeypatch, capsys
):
    monkeypatch.setattr(store, "client", _away)
    damaged = create_journal(embedded, Record("damaged", "a run", started=1000))
    (damaged.folder / "values.jsonl").write_bytes(_BAD[name] + b"\n")
    damaged.release()
    other = create_journal(embedded, Record("record", "another", started=1000))
    (other.folder / "run.json").write_bytes(_BAD[name])
    other.release()
    with recorded_training(embedded, sample_params) as on_epoch:
        on_epoch(_ROW)
    assert len(all_journals(embedded)) == 3
    assert "will not be tracked" not in capsys.readouterr().err
    states = {status.key: status.state for status in sync.statuses(embedded)}
    assert states["damaged"] == KILLED
    assert states["record"] == "damaged"


def _away(_: Path) -> None:
    raise TrackingError("the store is away")


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00" * 300, b"{", b"[" * 100_000, b'{"place": 7}', b"\xff"]
)
def test_lost_notes_are_rebuilt_from_the_store(content, embedded: Path, monkeypatch, capsys):
    monkeypatch.chdir(embedded)
    journal = light_run(Path(), "complete")
    run_id = send(Path(), journal, Budget())
    path = journal.folder / "sent.json"
    path.unlink() if content is None else path.write_bytes(content)
    tracking.sync()
    assert "sent to sqlite:///" in capsys.readouterr().out
    assert is_complete(journal)
    assert [run.info.run_id for run in runs_of(embedded)] == [run_id]
    assert_is_whole_and_single(embedded, journal)
    tracking.sync()
    assert "has all 1 runs" in capsys.readouterr().out


def test_a_store_that_lost_its_runs_gets_them_again(
    embedded: Path, migrated_database: Path, monkeypatch, capsys
):
    monkeypatch.chdir(embedded)
    journal = light_run(Path(), "lost")
    send(Path(), journal, Budget())
    (embedded / store.DATABASE).write_bytes(migrated_database.read_bytes())
    tracking.sync()
    assert f"{journal.key}  sent to" in capsys.readouterr().out
    (run,) = runs_of(embedded)
    assert run.data.metrics["loss"] == 1 / EPOCHS


def test_notes_are_on_the_disk_before_they_count(embedded: Path, monkeypatch):
    from ferflow import files

    synced = []
    real = files._sync
    monkeypatch.setattr(files, "_sync", lambda path: synced.append(path) or real(path))
    journal = light_run(embedded, "synced")
    synced.clear()
    Sent("somewhere", "1").save(journal)
    assert journal.folder in synced
    assert json.loads((journal.folder / "sent.json").read_text())["run_id"] == "1"
