"""The registry is changed by one process at a time, on whatever machine: on a store without a lock file."""

from __future__ import annotations

import threading
import time

import pytest

from ferflow.errors import TrackingError
from ferflow.tracking import names
from ferflow.tracking.registry import aliases, registry_lock
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from ferflow.tracking.registry.registry_lock import LOCK, TAG_HOLDER
from ferflow.tracking.registry.registry_lock import registry_lock as held
from ferflow.tracking.store import client as store_client
from tests.tracking.stored_runs import store_run

_RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)


@pytest.fixture
def client(embedded, monkeypatch, tmp_path):
    """A store whose lock file each thread has for itself, as each machine has."""
    monkeypatch.setattr(registry_lock, "sqlite_file", lambda uri: None)
    monkeypatch.setattr(
        registry_lock, "project_root", lambda root: tmp_path / f"machine {threading.get_ident()}"
    )
    monkeypatch.setattr(registry_lock, "_PAUSE_SECONDS", 0.01)
    return store_client(embedded)


def _locks(client) -> list[str]:
    return [model.name for model in client.search_registered_models() if model.name == LOCK]


def test_machines_take_turns(client):
    inside, most, turns = [], [], []

    def work() -> None:
        for _ in range(3):
            with held(client) as guard:
                inside.append(1)
                most.append(len(inside))
                guard()
                time.sleep(0.02)
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(turns)) == (1, 9)
    assert _locks(client) == []


def test_a_lock_that_a_dead_machine_left_is_taken_away(client, monkeypatch, capsys):
    monkeypatch.setattr(registry_lock, "_SECONDS_UNTIL_STALE", 0.1)
    client.create_registered_model(LOCK, tags={TAG_HOLDER: "elsewhere process 7 abc 0"})
    with held(client) as guard:
        guard()
        assert "elsewhere" not in client.get_registered_model(LOCK).tags[TAG_HOLDER]
    printed = capsys.readouterr().err
    assert "being changed by elsewhere process 7; waiting" in printed
    assert "is taken away" in printed
    assert _locks(client) == []


def test_a_store_that_does_not_say_who_has_the_lock_is_refused_at_once(client, monkeypatch):
    """It would be waited for and taken away again and again."""
    create = client.create_registered_model
    monkeypatch.setattr(client, "create_registered_model", lambda name, **_: create(name))
    with (
        pytest.raises(TrackingError, match=r"made the lock .* without its tag .* 'ferflow doctor'"),
        held(client),
    ):
        pytest.fail("it holds nothing")


def test_a_holder_that_lost_its_lock_moves_nothing_and_keeps_that_of_the_other(client, tmp_path):
    for name in ("full", "medium"):
        register(client, store_run(client, tmp_path / "runs", name), _RULES)
    with held(client) as guard:
        client.set_registered_model_tag(LOCK, TAG_HOLDER, "another process 9 def 0")
        with pytest.raises(TrackingError, match=r"took the registry over; nothing was moved"):
            aliases.promote(client, "2", "1", guard)
    assert aliases.holder(client, names.CHAMPION) == "1"
    assert client.get_registered_model(LOCK).tags[TAG_HOLDER] == "another process 9 def 0"


def test_registering_leaves_no_lock(client, tmp_path):
    for name in ("medium", "full"):
        assert register(client, store_run(client, tmp_path / "runs", name), _RULES).is_champion
    assert _locks(client) == []
