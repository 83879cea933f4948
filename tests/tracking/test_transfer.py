"""`ferflow track sync` to another store than the one that runs were sent to."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from ferflow.cli import tracking
from ferflow.errors import TrackingError
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import Journal
from ferflow.tracking.outbox.sent import Budget, Former, Sent, is_complete
from ferflow.tracking.outbox.upload import send
from tests.tracking.light_runs import light_run
from tests.tracking.test_upload import assert_is_whole_and_single


@pytest.fixture
def sent(embedded: Path, monkeypatch) -> Journal:
    """A run that the project's own store has, with its files no longer kept here."""
    monkeypatch.chdir(embedded)
    journal = light_run(Path(), "first at home")
    send(Path(), journal, Budget())
    assert not journal.files.exists()
    return journal


@pytest.fixture
def other(migrated_database: Path, tmp_path: Path) -> str:
    """The address of another store, which is empty."""
    path = tmp_path / "another folder" / "runs.db"
    path.parent.mkdir()
    path.write_bytes(migrated_database.read_bytes())
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "http://localhost:1", "databricks", "mysql://u:p@127.0.0.1/x"]
)
def test_a_store_that_cannot_be_asked_is_not_vouched_for(sent: Journal, uri: str, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError):
        tracking.sync()
    assert "has all" not in capsys.readouterr().out


def test_runs_of_the_own_store_are_sent_whole_to_another_one(
    sent: Journal, other: str, embedded: Path, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    tracking.sync()
    assert f"{sent.key}  sent to {other}" in capsys.readouterr().out
    assert_is_whole_and_single(embedded, sent)
    tracking.sync()
    assert f"nothing to send: {other} has all 1 runs" in capsys.readouterr().out
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    tracking.sync()
    assert "has all 1 runs" in capsys.readouterr().out
    assert_is_whole_and_single(embedded, sent)
    assert is_complete(sent)


def test_runs_of_a_third_store_are_named_with_their_place(sent: Journal, other: str, monkeypatch, capsys):
    notes = Sent.load(sent)
    assert notes is not None
    notes.place = "https://third.example ferflow"
    notes.save(sent)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    with pytest.raises(typer.Exit):
        tracking.sync()
    printed = capsys.readouterr().out
    assert f"{sent.key}  not sent: only https://third.example ferflow has its files" in printed
    assert "has all" not in printed
    tracking.status()
    assert "sent to https://third.example ferflow" in capsys.readouterr().out


def test_notes_keep_what_each_place_has():
    notes = Sent("a", "1", complete="digest")
    elsewhere = notes.at("b")
    elsewhere.run_id, elsewhere.complete = "2", "digest"
    assert elsewhere.former == {"a": Former("1", "digest")}
    assert elsewhere.places_with("digest") == ["b", "a"]
    back = elsewhere.at("a")
    assert (back.run_id, back.complete, back.former) == ("1", "digest", {"b": Former("2", "digest")})
    assert not back.is_complete_at("c", "digest")


def test_nothing_is_claimed_where_nothing_is_written_here(embedded: Path, monkeypatch, capsys):
    monkeypatch.chdir(embedded)
    tracking.sync()
    assert "no run that ended is written here" in capsys.readouterr().out
    assert names.EXPERIMENT in {entry.name for entry in store.client(Path()).search_experiments()}
