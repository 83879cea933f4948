"""Tracking never stops a stage: whatever is raised, whatever hangs, whoever runs it."""

from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from ferflow.errors import FerflowError
from ferflow.params import Params
from ferflow.tracking import lineage, names, store
from ferflow.tracking.outbox import recording, scoring, sweep_runs, sync
from ferflow.tracking.outbox.journal import Journal, all_journals
from ferflow.tracking.outbox.net import reason_of, sheltered
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.tracking.outbox.sent import is_complete
from tests.tracking.light_runs import light_run
from tests.tracking.misbehaving import answer, misbehaving


class _Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _every_error() -> list[BaseException]:
    """One of each type of error that Python, MLflow, SQLAlchemy, requests and pydantic have."""
    import mlflow.exceptions
    import requests.exceptions
    import sqlalchemy.exc

    special = {
        "UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "bad"),
        "UnicodeEncodeError": ("utf-8", "\udcff", 0, 1, "bad"),
        "UnicodeTranslateError": ("x", 0, 1, "bad"),
        "BaseExceptionGroup": ("a group", [ValueError("x")]),
        "ExceptionGroup": ("a group", [ValueError("x")]),
    }
    found: list[BaseException] = [_Unprintable(), FerflowError("mended by a user")]
    for module in (builtins, mlflow.exceptions, requests.exceptions, sqlalchemy.exc):
        for name, kind in vars(module).items():
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                continue
            if issubclass(kind, Warning):
                continue
            try:
                found.append(kind(*special.get(name, ("it broke",))))
            except (TypeError, AttributeError, KeyError):  # One that wants arguments of its own.
                continue
    assert len(found) > 100
    return found


def _raiser(error: BaseException):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_every_type_of_error_becomes_one_line(capsys):
    for error in _every_error():
        assert sheltered(_raiser(error), seconds=5, tell=lambda reason: f"not tracked: {reason}") is None
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("not tracked: ")
        assert reason_of(error)


def test_what_hangs_is_left_when_its_time_is_over(capsys):
    free = threading.Event()
    began = time.monotonic()
    assert (
        sheltered(free.wait, seconds=0.2, tell=lambda reason: f"told: {reason}", hint="the store is slow")
        is None
    )
    assert time.monotonic() - began < 10
    assert capsys.readouterr().err == "told: the store is slow: not done after 0 s\n"
    free.set()


def test_a_closed_stderr_stops_nothing(monkeypatch):
    class Closed:
        def write(self, _: str) -> int:
            raise ValueError("I/O operation on closed file")

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert sheltered(_raiser(ValueError()), seconds=5, tell=str) is None


_ROW = {"epoch": 1.0, **dict.fromkeys(names.EPOCH_METRICS, 0.5)}

# Where an error is raised while a training is recorded, scored or sent.
_PLACES = [
    (recording, "close_killed"),
    (recording, "create_journal"),
    (lineage, "tags"),
    (lineage, "user_name"),
    (Journal, "append"),
    (Journal, "write"),
    (Journal, "keep"),
    (Journal, "release"),
    (recording, "history_values"),
    (recording, "add_training"),
    (sync, "send"),
    (store, "client"),
    (scoring, "journal_of_reports"),
    (sweep_runs, "send"),
]


@pytest.mark.parametrize(("owner", "name"), _PLACES, ids=[name for _, name in _PLACES])
def test_a_stage_ends_well_whatever_is_raised_anywhere(
    owner, name, embedded: Path, sample_params: Params, monkeypatch, capsys
):
    errors = [
        SystemExit(3),
        KeyError("uid"),
        MemoryError(),
        RecursionError(),
        TypeError("JSON"),
        _Unprintable(),
    ]
    errors += [GeneratorExit(), KeyboardInterrupt(), RuntimeError("no home"), OSError(5, "disk")]
    monkeypatch.setattr(store, "client", _raiser(TypeError("an answer of another type")))
    for error in errors:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, _raiser(error))
            with recorded_training(embedded, sample_params) as on_epoch:
                on_epoch(_ROW)
            scoring.record_evaluation(embedded, sample_params)
            sweep = sweep_runs.SweepRun("s", "t", "d", {}, {}, {}, embedded)
            sweep_runs.track_sweep(embedded, sweep, [])
        told = capsys.readouterr().err
        assert told, error  # that something was not tracked
        assert "Traceback" not in told
        shutil.rmtree(embedded / ".ferflow", ignore_errors=True)


def test_a_failed_stage_still_fails_with_its_own_error(embedded: Path, sample_params: Params, monkeypatch):
    monkeypatch.setattr(Journal, "write", _raiser(SystemExit(5)))
    with pytest.raises(ZeroDivisionError), recorded_training(embedded, sample_params) as on_epoch:
        on_epoch(_ROW)
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "body",
    ["[1]", '"text"', "null", '{"experiment": 7}', '{"experiment": {"experiment_id": []}}'],
)
def test_answers_of_other_types_stop_no_stage(body, embedded: Path, monkeypatch, capsys):
    journal = light_run(embedded, "strange")
    with misbehaving(answer("200 OK", body, "application/json")) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        sync.deliver(embedded, journal)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the run is not tracked yet (http://127.0.0.1")
    assert not is_complete(journal)


def test_a_server_that_drips_holds_nobody_beyond_the_budget(embedded: Path, monkeypatch, capsys):
    journal = light_run(embedded, "dripping")
    store.load_mlflow()
    with misbehaving(answer("200 OK", "{}" * 2000, "application/json"), pause=0.05) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        began = time.monotonic()
        sync.deliver(embedded, journal, seconds=1)
        assert time.monotonic() - began < 10
    (line,) = capsys.readouterr().err.splitlines()
    assert "the store is slow: not done after 1 s" in line


@pytest.mark.parametrize(
    "uri", ["http://me:planted@host:99999", "http://host:x", "nonsense://x", "sqlite:///"]
)
def test_an_address_that_is_none_stops_no_stage(uri, embedded: Path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    sync.deliver(embedded, light_run(embedded, "nowhere"))
    printed = capsys.readouterr().err
    assert "planted" not in printed
    assert "Traceback" not in printed


# As in a container that was started with a number for a user: neither a name nor a home.
_NOBODY = """
import os, sys
from pathlib import Path
from tests.tracking.light_runs import light_run
from ferflow.tracking.outbox.sync import deliver

warm, root = (Path(name) for name in sys.argv[1:])
deliver(warm, light_run(warm, "root"))  # Everything is imported, which only root may read here.
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
os.environ.pop("HOME", None)
deliver(root, light_run(root, "nobody"))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_a_user_without_a_name_and_a_home_is_tracked(migrated_database: Path):
    names_of_users = ("LOGNAME", "USER", "LNAME", "USERNAME", "MLFLOW_TRACKING_URI")
    environment = {name: value for name, value in os.environ.items() if name not in names_of_users}
    # Below the folder that pytest makes, which is root's alone, nobody else would get through.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        roots = [Path(folder) / name for name in ("warm", "repository")]
        for root in roots:
            target = root / store.DATABASE
            target.parent.mkdir(parents=True)
            shutil.copyfile(migrated_database, target)
        for path in (roots[1], *roots[1].rglob("*")):
            os.chown(path, 54321, 54321)
        done = subprocess.run(
            [sys.executable, "-c", _NOBODY, *map(str, roots)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        assert done.returncode == 0, done.stderr
        assert "tracked as run nobody" in done.stderr, done.stderr
        (journal,) = all_journals(roots[1])
        assert is_complete(journal)
