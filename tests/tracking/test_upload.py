"""Sending a journal: once, whatever breaks off in between."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType

from ferflow.errors import TrackingError
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import KILLED, RUNNING, Journal, Record, Value, create_journal
from ferflow.tracking.outbox.sent import Budget, is_complete
from ferflow.tracking.outbox.sync import deliver, sync
from ferflow.tracking.outbox.upload import send
from tests.tracking.breaking_link import BreakingLink
from tests.tracking.light_runs import EPOCHS, light_run


def runs_of(root: Path) -> list[Any]:
    client = store.client(root)
    return list(client.search_runs([store.experiment_id(client)], run_view_type=ViewType.ALL))


def assert_is_whole_and_single(root: Path, journal: Journal) -> None:
    """The store has one run of the journal with everything in it, and everything once."""
    client = store.client(root)
    (run,) = runs_of(root)
    record = journal.read()
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (record.started, record.ended)
    assert run.info.run_name == record.name
    assert run.data.params == record.params
    for name in names.EPOCH_METRICS:
        history = client.get_metric_history(run.info.run_id, name)
        assert [(entry.step, entry.value) for entry in history] == [
            (epoch, 1 / epoch) for epoch in range(1, EPOCHS + 1)
        ]
    for name, value in record.metrics.items():
        assert [entry.value for entry in client.get_metric_history(run.info.run_id, name)] == [value]
    assert run.data.tags[names.TAG_JOURNAL] == journal.key
    assert run.data.tags[names.TAG_RUN] == record.run
    assert run.data.tags[names.TAG_DESCRIPTION] == record.description
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("test", "ab" * 16)
    assert json.loads(used.dataset.profile)["num_rows"] == 7
    assert [item.path for item in client.list_artifacts(run.info.run_id, names.REPORTS)] == [names.METRICS]


def test_a_run_arrives_whole(embedded: Path):
    journal = light_run(embedded, "whole")
    run_id = send(embedded, journal, Budget())
    assert_is_whole_and_single(embedded, journal)
    assert runs_of(embedded)[0].info.run_id == run_id
    assert is_complete(journal)
    assert not journal.files.exists()  # The store has them: no need to keep them twice.


def test_sending_again_changes_nothing(embedded: Path):
    journal = light_run(embedded, "again")
    assert send(embedded, journal, Budget()) == send(embedded, journal, Budget())
    assert_is_whole_and_single(embedded, journal)


@pytest.mark.parametrize("is_served", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_link_that_breaks_at_any_write_costs_and_doubles_nothing(
    embedded: Path, monkeypatch, at: int, is_served: bool
):
    journal = light_run(embedded, "broken")
    real = store.client(embedded)
    failing = BreakingLink(real, at, is_served=is_served)
    with monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda root: failing)
        with pytest.raises(TrackingError, match="the link broke"):
            send(embedded, journal, Budget())
    assert failing.has_failed
    assert not is_complete(journal)
    send(embedded, journal, Budget())
    assert_is_whole_and_single(embedded, journal)


def test_values_that_the_store_has_are_not_sent_again(embedded: Path, monkeypatch):
    journal = light_run(embedded, "values")
    real = store.client(embedded)
    monkeypatch.setattr(store, "client", lambda root: BreakingLink(real, 3, is_served=True))
    with pytest.raises(TrackingError):
        send(embedded, journal, Budget())
    again = BreakingLink(real, 100, is_served=True)
    monkeypatch.setattr(store, "client", lambda root: again)
    send(embedded, journal, Budget())
    sent = {metric.key for call in again.batches for metric in call.get("metrics", [])}
    assert sent == set(journal.read().metrics)


def test_there_are_not_more_writes_than_were_broken_above(embedded: Path, monkeypatch):
    failing = BreakingLink(store.client(embedded), 8, is_served=False)
    monkeypatch.setattr(store, "client", lambda root: failing)
    send(embedded, light_run(embedded, "all writes"), Budget())
    assert not failing.has_failed
    assert failing.left == 1


def test_what_was_sent_is_looked_up_where_the_notes_are_lost(embedded: Path):
    journal = light_run(embedded, "without notes")
    send(embedded, journal, Budget())
    (journal.folder / "sent.json").unlink()
    send(embedded, journal, Budget())
    assert_is_whole_and_single(embedded, journal)


def test_values_of_a_run_that_goes_on_arrive_as_they_come(embedded: Path):
    journal = create_journal(embedded, Record("live", "live", started=1))
    for epoch in (1, 2, 3):
        journal.append(Value(epoch, epoch, {"loss": 1 / epoch}))
        run_id = send(embedded, journal, Budget())
    (run,) = runs_of(embedded)
    history = store.client(embedded).get_metric_history(run_id, "loss")
    assert run.info.status == "RUNNING"
    assert Counter(entry.step for entry in history) == {1: 1, 2: 1, 3: 1}


def test_a_killed_run_is_closed_as_killed(embedded: Path):
    journal = create_journal(embedded, Record("dead", "dead", started=1, state=RUNNING))
    send(embedded, journal, Budget())
    journal.release()
    sync(embedded)
    (run,) = runs_of(embedded)
    assert run.info.status == "KILLED"
    assert journal.read().state == KILLED


def test_more_values_than_a_request_takes_arrive_too(embedded: Path):
    journal = create_journal(embedded, Record("long", "long", started=1))
    for step in range(1, 1202):
        journal.append(Value(step, step, {"system/a": step, "system/b": -step}))
    run_id = send(embedded, journal, Budget())
    history = store.client(embedded).get_metric_history(run_id, "system/b")
    assert sorted(entry.step for entry in history) == list(range(1, 1202))


def test_a_run_that_someone_deleted_is_not_made_anew(embedded: Path):
    journal = light_run(embedded, "deleted")
    client = store.client(embedded)
    client.delete_run(send(embedded, journal, Budget()))
    record = journal.read()
    record.description = "changed"
    journal.write(record)
    send(embedded, journal, Budget())
    assert [run.info.lifecycle_stage for run in runs_of(embedded)] == ["deleted"]


def test_a_second_run_of_a_repeated_request_is_removed(embedded: Path):
    journal = light_run(embedded, "twice")
    client = store.client(embedded)
    for start in (5, 9):
        client.create_run(
            store.experiment_id(client), start_time=start, tags={names.TAG_JOURNAL: journal.key}
        )
    send(embedded, journal, Budget())
    active = [run for run in runs_of(embedded) if run.info.lifecycle_stage == "active"]
    assert [run.info.start_time for run in active] == [5]


def test_a_slow_store_is_left_when_the_time_is_over(embedded: Path):
    journal = light_run(embedded, "slow")
    with pytest.raises(TrackingError, match="the store is slow: not done after 0 s"):
        send(embedded, journal, Budget(0))
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrackingError, match="called off"):
        send(embedded, journal, Budget(None, stop))
    assert runs_of(embedded) == []


class _SlowLink:
    """A client of a store that answers each request late."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            time.sleep(self._seconds)
            return found(*args, **options)

        return call


def test_a_stage_does_not_wait_for_a_slow_store_and_sync_completes_the_run(
    embedded: Path, monkeypatch, capsys
):
    journal = light_run(embedded, "slow link")
    slow = _SlowLink(store.client(embedded), 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda root: slow)
        began = time.monotonic()
        deliver(embedded, journal, seconds=1)
    assert time.monotonic() - began < 10
    (line,) = capsys.readouterr().err.splitlines()
    assert "not tracked yet (the store is slow: not done after 1 s)" in line
    assert not is_complete(journal)
    assert sync(embedded) == ([journal.key], {})
    assert_is_whole_and_single(embedded, journal)


def test_sync_sends_the_others_when_one_cannot_be_sent(embedded: Path):
    broken = light_run(embedded, "broken")
    (broken.folder / "run.json").write_text("{}")
    whole = light_run(embedded, "whole")
    sent, failed = sync(embedded)
    assert sent == [whole.key]
    assert list(failed) == [broken.key]
    assert sync(embedded)[0] == []
