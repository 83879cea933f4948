"""Where runs are kept, and how long an absent store keeps anyone waiting."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ferflow.errors import TrackingError
from ferflow.tracking import names, store
from tests.local_server import listening


def test_without_configuration_the_store_is_in_the_repository(embedded: Path):
    client = store.client(embedded)
    experiment = client.get_experiment(store.experiment_id(client))
    assert client.tracking_uri.startswith(f"sqlite:///{embedded}/mlruns/mlflow.db")
    assert experiment.name == "ferflow"
    assert experiment.artifact_location == (embedded / "mlruns" / "artifacts").as_uri()


def test_a_store_is_not_left_in_the_environment(embedded: Path, tmp_path: Path):
    before = dict(os.environ)
    store.client(embedded)
    assert store.tracking_uri(tmp_path).startswith(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    assert {name for name in os.environ if name.endswith("_URI")} == {
        name for name in before if name.endswith("_URI")
    }


def test_threads_that_open_stores_at_once_leave_none_in_the_environment(tmp_path: Path, monkeypatch):
    mlflow = store.load_mlflow()
    select = mlflow.set_tracking_uri
    has_set, may_go_on, is_over = threading.Event(), threading.Event(), threading.Event()

    def select_in_turns(chosen: str) -> None:
        if has_set.is_set():
            is_over.wait(10)  # The second one sets the variable when the first is through.
            select(chosen)
        else:
            select(chosen)
            has_set.set()
            may_go_on.wait(10)

    monkeypatch.setattr(mlflow, "set_tracking_uri", select_in_turns)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store._opened, mlflow, f"sqlite:///{tmp_path}/a.db")
        assert has_set.wait(10)
        second = pool.submit(store._opened, mlflow, f"sqlite:///{tmp_path}/b.db")
        time.sleep(0.2)  # Until it has looked at the variable, or waits for its turn.
        may_go_on.set()
        first.result()
        is_over.set()
        second.result()
    assert os.environ.pop("MLFLOW_TRACKING_URI", None) is None


def test_the_environment_selects_store_and_experiment(embedded: Path, tmp_path: Path, monkeypatch):
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.write_bytes((embedded / store.DATABASE).read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    client = store.client(embedded)
    assert client.tracking_uri == f"sqlite:///{elsewhere}"
    assert client.get_experiment(store.experiment_id(client)).name == "mine"


def test_the_experiment_opens_with_the_figures_that_tell_which_run_is_better(embedded: Path):
    client = store.client(embedded)
    tags = client.get_experiment(store.experiment_id(client)).tags
    assert f"metrics.`{names.LEAK_FREE_ACCURACY}`" in tags[f"mlflow.sharedViewState.{names.VIEW}"]


def test_a_deleted_experiment_is_named_with_the_cure(embedded: Path):
    client = store.client(embedded)
    client.delete_experiment(store.experiment_id(client))
    with pytest.raises(TrackingError, match=r"'ferflow' was deleted .* MLFLOW_EXPERIMENT_NAME"):
        store.experiment_id(client)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


@pytest.mark.parametrize("scheme", ["http://127.0.0.1:{}", "postgresql://me:secret@127.0.0.1:{}/runs"])
def test_an_absent_store_costs_seconds_and_one_line_without_the_password(
    tmp_path: Path, monkeypatch, closed_port: int, scheme: str
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", scheme.format(closed_port))
    store.load_mlflow()
    began = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        store.client(tmp_path)
    assert time.monotonic() - began < 5
    message = str(caught.value)
    assert f"127.0.0.1:{closed_port}" in message
    assert "connection refused" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_server_that_never_answers_costs_its_timeout_once(tmp_path: Path, monkeypatch, silent_port: int):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    began = time.monotonic()
    with pytest.raises(TrackingError, match="no answer in time"):
        store.client(tmp_path)
    assert time.monotonic() - began < 3


class _Guarded(BaseHTTPRequestHandler):
    """Answers as MLflow's server does a request for a name that it was not started with."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        content = b"Invalid Host header - possible DNS rebinding attack detected"
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_a_server_that_refuses_its_name_says_which_option_it_lacks(tmp_path: Path, monkeypatch):
    with listening(HTTPServer(("127.0.0.1", 0), _Guarded)) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        with pytest.raises(
            TrackingError, match=r"refuses that name \(403\); name it, .* in --allowed-hosts "
        ):
            store.client(tmp_path)


@pytest.mark.parametrize(("set_by_user", "seconds"), [(None, 10), ("77", 77)])
def test_waiting_times_are_for_people_and_those_of_the_user_win(monkeypatch, set_by_user, seconds):
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    if set_by_user:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", set_by_user)
    store.load_mlflow()
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

    assert MLFLOW_HTTP_REQUEST_TIMEOUT.get() == seconds
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 0


def test_no_module_of_tracking_loads_what_takes_long():
    code = (
        "import importlib, pkgutil, sys, ferflow.tracking as package\n"
        "for found in pkgutil.iter_modules(package.__path__, 'ferflow.tracking.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'mlflow', 'sklearn', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_an_uninstalled_mlflow_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match=r"MLflow is not installed .* install ferflow\[tracking\]"):
        store.load_mlflow()
