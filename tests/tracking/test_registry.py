"""The registry in a real SQLite store: versions, aliases, the gate's record, force and rollback."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import TrackingError
from ferflow.tracking import names, tracked_run
from ferflow.tracking.registry import aliases, registry
from ferflow.tracking.registry.aliases import rollback, version_table, versions
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from ferflow.tracking.store import client as store_client
from tests.conftest import REPOSITORY
from tests.tracking.stored_runs import store_run

RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)


@pytest.fixture
def client(embedded):
    return store_client(embedded)


@pytest.fixture
def store(client, tmp_path):
    """Store a run of one of the networks in `predictions/`."""
    return lambda name, **options: store_run(client, tmp_path / "runs", name, **options)


def champion_of(client) -> str | None:
    return aliases.holder(client, names.CHAMPION)


def challenger_of(client) -> str | None:
    return aliases.holder(client, names.CHALLENGER)


def tags_of(client, version: str) -> dict[str, str]:
    return client.get_model_version(names.REGISTERED_MODEL, version).tags


def test_the_first_run_becomes_champion_and_points_at_its_model(client, store):
    run = store("medium")
    registration = register(client, run, RULES)

    assert registration.is_new
    assert registration.is_champion
    version = client.get_model_version_by_alias(names.REGISTERED_MODEL, names.CHAMPION)
    assert version.run_id == run.run_id
    assert version.source == f"models:/{run.model_ids[0]}"
    assert challenger_of(client) is None
    assert "The network medium." in version.description
    assert "becomes champion: there is none" in version.description


def test_a_better_run_takes_the_place_and_its_figures_are_on_the_version(client, store):
    register(client, store("medium"), RULES)
    registration = register(client, store("full"), RULES)

    assert registration.champion == registration.version == "2"
    tags = tags_of(client, "2")
    assert tags["gate.decision"] == "better"
    assert tags["gate.against"] == "version 1"
    assert float(tags["gate.p_value"]) == pytest.approx(5.39876e-09)
    assert (tags["gate.num_gained"], tags["gate.num_lost"]) == ("36", "2")
    assert tags["champion.before"] == "1"
    assert "better than version 1" in client.get_model_version(names.REGISTERED_MODEL, "2").description
    assert "gate.forced" not in tags


def test_the_champion_stays_before_a_network_that_does_not_pass(client, store):
    register(client, store("full"), RULES)
    cases = [
        ("medium", {}, {}, "worse"),
        ("wide", {}, {}, "equal"),
        ("narrow", {}, {"equal_margin": 0.01}, "equal"),
        ("wide", {"digest": "0" * 64}, {}, "other test set"),
        ("wide", {"cost": 600}, {"class_floor": 0.7}, "a class below the floor"),
    ]
    for number, (name, options, rules, decision) in enumerate(cases, start=2):
        registration = register(client, store(name, **options), replace(RULES, **rules))

        assert registration.version == str(number)
        assert not registration.is_champion
        assert champion_of(client) == "1"
        assert challenger_of(client) == str(number)
        tags = tags_of(client, str(number))
        assert (tags["gate.decision"], tags["gate.promoted"]) == (decision, "false")


def test_an_equal_run_at_lower_cost_takes_the_place(client, store):
    register(client, store("full"), RULES)
    assert register(client, store("narrow"), RULES).is_champion
    assert tags_of(client, "2")["gate.decision"] == "equal at lower cost"
    assert tags_of(client, "2")["gate.cost"] == "4237392"


def test_answering_ten_times_costs_ten_times_as_much(client, store):
    register(client, store("full"), RULES)
    views = {"evaluate.test_time_augmentation": "ten_crop"}
    registration = register(client, store("narrow", params=views), RULES)

    assert not registration.is_champion
    assert tags_of(client, "2")["gate.cost"] == "42373920"


def test_a_run_that_is_registered_twice_is_one_version(client, store):
    run = store("full")
    first, second = register(client, run, RULES), register(client, run, RULES)

    assert (first.version, second.version) == ("1", "1")
    assert (first.is_new, second.is_new) == (True, False)
    assert second.description == first.description
    assert len(versions(client)) == 1


def test_a_version_keeps_its_decision_when_the_champion_has_changed(client, store):
    run = store("medium")
    register(client, run, RULES)
    register(client, store("full"), RULES)
    registration = register(client, run, RULES)

    assert (registration.version, registration.champion) == ("1", "2")
    assert tags_of(client, "1")["gate.decision"] == "first version"
    assert challenger_of(client) is None


def test_force_makes_a_refused_run_champion_and_is_recorded(client, store):
    register(client, store("full"), RULES)
    registration = register(client, store("medium", digest="0" * 64), RULES, is_forced=True)

    assert registration.is_champion
    tags = tags_of(client, "2")
    assert (tags["gate.decision"], tags["gate.promoted"]) == ("other test set", "false")
    assert tags["gate.forced"] == "true"
    assert "by force" in registration.description


def test_force_promotes_a_version_that_the_gate_turned_down_before(client, store):
    register(client, store("full"), RULES)
    run = store("medium")
    register(client, run, RULES)
    registration = register(client, run, RULES, is_forced=True)

    assert (registration.version, registration.is_champion) == ("2", True)
    assert tags_of(client, "2")["gate.decision"] == "worse"
    assert tags_of(client, "2")["gate.forced"] == "true"
    assert challenger_of(client) is None


def test_rollback_goes_back_one_champion_at_a_time(client, store):
    for name in ("short", "medium", "full"):
        register(client, store(name), RULES)
    assert champion_of(client) == "3"

    assert rollback(client) == aliases.Rollback(former="3", champion="2")
    assert champion_of(client) == "2"
    assert tags_of(client, "3")["champion.rolled_back_to"] == "2"
    assert "Rolled back to version 2" in client.get_model_version(names.REGISTERED_MODEL, "3").description
    assert rollback(client).champion == "1"
    with pytest.raises(TrackingError, match="none was before it"):
        rollback(client)
    assert champion_of(client) == "1"


def test_rollback_passes_over_a_version_that_was_deleted(client, store):
    register(client, store("short"), RULES)
    register(client, store("medium"), RULES)
    register(client, store("full"), RULES)
    client.delete_model_version(names.REGISTERED_MODEL, "2")

    assert rollback(client).champion == "1"


def test_rollback_of_a_champion_set_by_hand_goes_to_the_one_before(client, store):
    register(client, store("full"), RULES)
    register(client, store("medium"), RULES)
    client.set_registered_model_alias(names.REGISTERED_MODEL, names.CHAMPION, "2")

    assert rollback(client) == aliases.Rollback(former="2", champion="1")


def test_rollback_does_not_go_from_a_champion_to_itself(client, store):
    first = store("full")
    register(client, first, RULES)
    register(client, store("medium"), RULES, is_forced=True)
    register(client, first, RULES, is_forced=True)
    client.delete_model_version(names.REGISTERED_MODEL, "2")

    with pytest.raises(TrackingError, match="none was before it"):
        rollback(client)


def test_a_rollback_that_died_half_way_is_one_step(client, store, monkeypatch):
    for name in ("short", "medium", "full"):
        register(client, store(name), RULES)
    with monkeypatch.context() as patch:
        patch.setattr(aliases, "_remember", _die)
        with pytest.raises(KeyboardInterrupt):
            rollback(client)

    assert champion_of(client) == "2"
    assert rollback(client).champion == "1"


def test_a_version_forced_back_and_forth_rolls_back_in_order(client, store):
    first, second = store("full"), store("medium")
    register(client, first, RULES)
    register(client, second, RULES, is_forced=True)
    register(client, first, RULES, is_forced=True)

    assert [rollback(client).champion, rollback(client).champion] == ["2", "1"]
    with pytest.raises(TrackingError, match="none was before it"):
        rollback(client)


def test_rollback_without_a_champion_says_what_to_do(client):
    with pytest.raises(TrackingError, match="no champion to roll back; register a run"):
        rollback(client)


def test_a_register_that_died_before_the_decision_is_completed_by_the_next(client, store, monkeypatch):
    register(client, store("medium"), RULES)
    run = store("full")
    with monkeypatch.context() as patch:
        patch.setattr(registry, "drop_challenger", _die)
        with pytest.raises(KeyboardInterrupt):
            register(client, run, RULES)
    assert "gate.decision" not in tags_of(client, "2")

    registration = register(client, run, RULES)
    assert (registration.version, registration.is_champion) == ("2", True)
    assert tags_of(client, "2")["gate.decision"] == "better"
    assert tags_of(client, "2")["gate.against"] == "version 1"
    assert rollback(client).champion == "1"


def _die(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"with_model": False}, "holds no model"),
        ({"status": "KILLED"}, "is KILLED, expected FINISHED"),
        ({"digest": ""}, r"no tag test\.sha256"),
    ],
)
def test_a_run_that_lacks_something_is_not_registered(client, store, options, message):
    with pytest.raises(TrackingError, match=message):
        register(client, store("full", **options), RULES)
    assert versions(client) == []


_REGISTER = """
import sys
from pathlib import Path
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from ferflow.tracking.store import client
from ferflow.tracking.tracked_run import get_run
store = client(Path(sys.argv[1]))
for run_id in sys.argv[2:]:
    print(register(store, get_run(store, run_id), Rules(0.0, 0.05, 0.03)).version)
"""


@pytest.mark.slow
def test_two_registers_at_once_lose_no_decision_and_leave_one_champion(client, store, embedded):
    runs = [store(name).run_id for name in ("medium", "narrow", "full")]
    orders = [runs, runs[::-1]]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _REGISTER, str(embedded), *order],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert not any(re.search("locked|Traceback", output[1]) for output in outputs)

    found = versions(client)
    assert {version.run_id for version in found} == set(runs)
    assert len(found) == 3
    assert all("gate.decision" in version.tags for version in found)
    numbers = [str(version.version) for version in found]
    champions = [
        number
        for number in numbers
        if names.CHAMPION in client.get_model_version(names.REGISTERED_MODEL, number).aliases
    ]
    assert champions == [champion_of(client)]
    history = client.get_registered_model(names.REGISTERED_MODEL).tags["champion.history"].split(",")
    assert history[-1] == champion_of(client)
    promoted = [version for version in found if version.tags["gate.promoted"] == "true"]
    assert sorted(history) == sorted(str(version.version) for version in promoted)


def test_a_run_is_found_by_id_by_its_first_digits_and_by_name(client, store):
    from ferflow.tracking.store import experiment_id

    experiment = experiment_id(client)
    older, newer = store("full"), store("full")
    assert tracked_run.find_run(client, experiment, older.run_id).run_id == older.run_id
    assert tracked_run.find_run(client, experiment, older.run_id[:12]).run_id == older.run_id
    assert tracked_run.find_run(client, experiment, "full").run_id == newer.run_id
    assert [run.run_id for run in tracked_run.newest_runs(client, experiment, number=5)] == [
        older.run_id,
        newer.run_id,
    ]
    assert tracked_run.run_of_training(client, experiment, "fingerprint-full").run_id == newer.run_id
    assert tracked_run.run_of_training(client, experiment, "another") is None
    with pytest.raises(TrackingError, match=r"run 'nobody': not in sqlite.*the newest there: full"):
        tracked_run.find_run(client, experiment, "nobody")


def test_the_command_line_registers_lists_and_rolls_back(client, store, embedded, monkeypatch):
    monkeypatch.chdir(embedded)
    shutil.copy(REPOSITORY / "params.yaml", embedded)
    (embedded / "reports").mkdir()
    store("medium")
    full = store("full")
    (embedded / "reports" / "train.json").write_text('{"run": "fingerprint-full"}', encoding="utf-8")

    forced = _ferflow("register", "medium", "--force")
    assert "Version 1 is refused: a class below the floor. It finds 0.0% of class disgust" in forced
    assert forced.endswith("It was made champion by force.\nchampion: version 1\n")
    done = _ferflow("register")
    assert done.startswith(f"run full ({full.run_id[:8]}) registered as version 2\nVersion 2 becomes")
    assert done.endswith("champion: version 2\n")
    listed = _ferflow("registry", "list")
    assert re.search(r"2 +champion +\w{8} +82\.1% +<0\.001 +better", listed)
    assert _ferflow("registry", "rollback") == "champion: version 1 (was version 2)\n"


def test_a_version_that_the_gate_refused_is_not_called_challenger(client, store):
    tags = {"gate.decision": "worse", "gate.accuracy": "0.61234", "gate.p_value": "0.03"}
    for decision, number in (("worse", "1"), ("a class below the floor", "2"), ("equal", "3")):
        register(client, store("medium", digest=number * 64), RULES)
        for name, value in (tags | {"gate.decision": decision}).items():
            client.set_model_version_tag(names.REGISTERED_MODEL, number, name, value)
        client.set_registered_model_alias(names.REGISTERED_MODEL, names.CHALLENGER, number)
        line = next(
            line for line in version_table(client).splitlines() if line.lstrip().startswith(f"{number} ")
        )
        assert re.search(r"61\.2% +0\.030", line), line
        assert ("challenger" in line) is (decision == "equal"), line
        assert ("refused" in line) is (decision != "equal"), line


@pytest.mark.parametrize("command", ["compare", "runs", "register x", "registry list", "registry rollback"])
def test_a_folder_without_a_store_is_left_as_it_is(command, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    done = CliRunner().invoke(app, command.split())
    assert isinstance(done.exception, TrackingError)
    assert "mlflow.db: not found, so no run is tracked here yet" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def _ferflow(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout
