"""Storages: many workers at once, a server that dies, journals that were torn, addresses that are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from ferflow.errors import TuningError
from ferflow.tuning import trials as attributes
from ferflow.tuning.storage import Address, Store, parse_address, quiet
from ferflow.tuning.study import load_study
from ferflow.tuning.study_journal import repair_journal
from ferflow.tuning.sweep import run
from tests.tracking import servers
from tests.tuning.light_sweep import STUDY, LightSweep, light_plan

_WORKERS, _TRIALS = 8, 200


@pytest.fixture(scope="module")
def postgresql():
    with servers.postgresql() as server:
        yield server


@pytest.fixture(params=["studies.db", "studies.journal", "PostgreSQL"])
def storage(request):
    return request.getfixturevalue("postgresql").url if request.param == "PostgreSQL" else request.param


def _trials(address: Address, study: str) -> list:
    store = Store(address)
    found = load_study(store, study, light_plan(Path()).params).get_trials()
    store.close()
    return found


@pytest.mark.slow
def test_eight_workers_of_25_trials_lose_none(tmp_path, storage):
    plan = light_plan(
        tmp_path,
        storage=storage,
        jobs=_WORKERS,
        trials=_TRIALS,
        epochs=3,
        train="train",
        is_isolated=False,
        study="many",
        tune={"sampler": "random"},
    )
    summary, _ = run(plan)
    found = _trials(plan.address, "many")
    assert [trial.number for trial in found] == list(range(_TRIALS))
    assert {trial.state.name for trial in found} == {"COMPLETE"}
    assert summary.tally.complete == _TRIALS
    assert {tuple(sorted(trial.intermediate_values)) for trial in found} == {(1, 2, 3)}
    assert len({trial.user_attrs["worker"] for trial in found}) == _WORKERS
    # Different seeds: no two trials are alike.
    assert len({tuple(trial.params.values()) for trial in found}) == _TRIALS


@pytest.mark.slow
def test_two_machines_on_one_server_share_a_study(tmp_path, postgresql):
    changes = {"storage": postgresql.url, "jobs": 2, "trials": 30, "epochs": 3, "study": "shared"}
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    sweeps = [LightSweep(folder, train="train", is_isolated=False, **changes) for folder in folders]
    for sweep in sweeps:
        code, _, said = sweep.end()
        assert code == 0, said
    found = _trials(parse_address(postgresql.url), "shared")
    assert [trial.number for trial in found] == list(range(30))
    assert {trial.state.name for trial in found} == {"COMPLETE"}
    assert sum("baseline" in trial.user_attrs for trial in found) == 1
    assert len({trial.user_attrs["worker"] for trial in found}) > 1


@pytest.mark.slow
def test_a_server_that_is_killed_loses_no_trial(tmp_path, postgresql):
    sweep = LightSweep(tmp_path, is_held=True, storage=postgresql.url)
    sweep.wait_until_held()
    postgresql.kill()
    sweep.release()
    code, _, said = sweep.end()
    assert code == 1, said
    assert "error: storage postgresql://ferflow@127.0.0.1" in said
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert sweep.workers() == []
    postgresql.start()
    code, summary, said = LightSweep(tmp_path, storage=postgresql.url).end()
    assert code == 0, said
    assert summary["trials"]["complete"] == 4
    assert summary["trials"]["retried"] == 2
    found = _trials(parse_address(postgresql.url), STUDY)
    assert [trial.number for trial in found] == list(range(6))
    assert all(attributes.reason(trial) for trial in found)


def test_a_journal_that_a_kill_tore_goes_on(tmp_path):
    changes = {"storage": "studies.journal", "train": "train", "is_isolated": False, "jobs": 1}
    run(light_plan(tmp_path, trials=2, **changes))
    with (tmp_path / "studies.journal").open("ab") as stream:
        stream.write(b'{"op_code":5,"worker')
    summary, study = run(light_plan(tmp_path, trials=4, **changes))
    assert summary.tally.complete == 4
    assert len(study.trials) == 4


@pytest.mark.parametrize(("content", "kept"), [(b"", b""), (b"a\n", b"a\n"), (b"a\nb", b"a\n"), (b"ab", b"")])
def test_repair_journal_cuts_off_a_torn_line_alone(tmp_path, content, kept):
    path = tmp_path / "studies.journal"
    path.write_bytes(content)
    repair_journal(path)
    assert path.read_bytes() == kept


def test_mlflows_database_is_refused(tmp_path):
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiments (id INTEGER)")
    connection.close()
    for address in (path, tmp_path / "mlruns" / "mlflow.db"):
        with pytest.raises(TuningError, match=r"is MLflow's database, which a study would break"):
            Store(parse_address(str(address)))
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert tables == [("experiments",)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql://me:secret@host/db", r"mysql://me:\*\*\*@host/db: mysql found, expected postgresql"),
        ("sqlite://", "sqlite found"),
        ("not a url://", "no URL of a database"),
    ],
)
def test_an_address_of_another_kind_is_refused(text, expected):
    with pytest.raises(TuningError, match=expected):
        parse_address(text)


def test_an_unreachable_server_is_one_error_without_the_password():
    with pytest.raises(
        TuningError, match=r"storage postgresql://me:\*\*\*@127\.0\.0\.1:9/x: cannot be used"
    ) as caught:
        Store(parse_address("postgresql://me:secret@127.0.0.1:9/x"))
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_error(tmp_path):
    path = tmp_path / "studies.db"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(TuningError, match=r"studies\.db: cannot be used \(file is not a database\)"):
        Store(parse_address(str(path)))


@pytest.mark.parametrize("name", ["studies.db", "a?b#c%41.db", "studies.journal"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_storage_that_is_removed_meanwhile_is_one_clear_error(tmp_path, name, is_replaced):
    """SQLite would write on into the removed file, and all of it would be lost."""
    path = tmp_path / "folder" / name
    store = Store(parse_address(str(path)))
    with quiet():
        study = optuna.create_study(study_name="mine", storage=store.storage)
    assert path.is_file()
    path.rename(tmp_path / "removed")
    if is_replaced:
        Store(parse_address(str(path))).close()
    removed = r"was removed or replaced while the study went on; put it back"
    with pytest.raises(TuningError, match=removed), store.errors():
        study.ask()
    store.close()


def test_a_study_that_its_storage_no_longer_holds_is_one_clear_error(tmp_path):
    store = Store(parse_address(str(tmp_path / "studies.db")))
    gone = r"no longer holds the study; .*begin another study \(--study\)"
    with pytest.raises(TuningError, match=gone), store.errors():
        optuna.load_study(study_name="gone", storage=store.storage)
    store.close()
