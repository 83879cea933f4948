"""Many at once: four workers of fifty runs on SQLite and on PostgreSQL, and two syncs of the same runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ferflow.tracking import names, store
from tests.conftest import REPOSITORY
from tests.tracking.light_runs import EPOCHS, light_run
from tests.tracking.servers import postgresql

_WORKERS = 4
_RUNS = 50


def _together(commands: list[list[str]], environment: dict[str, str]) -> list[str]:
    """Run commands at once; what each printed, standard error included."""
    processes = [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), printed
    return printed


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def address(request, embedded: Path, monkeypatch):
    """The store's setting: none for the embedded one."""
    if request.param == "SQLite":
        yield None
        return
    with postgresql() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        yield server.url


@pytest.mark.slow
def test_four_workers_of_fifty_runs_lose_nothing_and_see_no_lock(embedded: Path, address: str | None):
    workers = [sys.executable, "-m", "tests.tracking.light_runs", str(embedded), str(_WORKERS), str(_RUNS)]
    printed = _together([workers], {} if address is None else {"MLFLOW_TRACKING_URI": address})
    assert printed == [""]
    client = store.client(embedded)
    runs = client.search_runs([store.experiment_id(client)], max_results=1000)
    assert Counter(run.info.run_name for run in runs) == Counter(
        f"worker {worker} run {run}" for worker in range(_WORKERS) for run in range(_RUNS)
    )
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert len(run.data.params) == 20
        assert run.data.metrics[names.LEAK_FREE_ACCURACY] == 0.25
        assert len(run.inputs.dataset_inputs) == 1
    for run in runs[::20]:
        assert len(client.get_metric_history(run.info.run_id, "loss")) == EPOCHS
        assert client.list_artifacts(run.info.run_id, names.REPORTS)


@pytest.mark.slow
def test_two_syncs_at_once_send_each_run_once(embedded: Path):
    for number in range(6):
        light_run(embedded, f"run {number}")
    sync = [sys.executable, "-c", f"import os; os.chdir({str(embedded)!r}); {_SYNC}"]
    printed = _together([sync, sync], {})
    client = store.client(embedded)
    runs = client.search_runs([store.experiment_id(client)], max_results=1000)
    assert sorted(run.info.run_name for run in runs) == [f"run {number}" for number in range(6)]
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "loss")) == EPOCHS
    assert "not sent" not in "".join(printed)


_SYNC = "import sys; sys.argv = ['ferflow', 'track', 'sync']; from ferflow.cli.app import main; main()"
