"""MLflow's own pages on the right store, for this machine alone."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ferflow.errors import TrackingError
from ferflow.tracking import names
from ferflow.tracking.store import ARTIFACTS, client, experiment_id, shown, tracking_uri

HOST = "127.0.0.1"
PORT = 5000

_SECONDS_TO_START = 180.0
_SECONDS_TO_END = 10.0
_SECONDS_BETWEEN_LOOKS = 0.2

# What would turn the server's checks off, or have it serve something else.
_NOT_INHERITED = (
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_HOST",
    "MLFLOW_PORT",
    "MLFLOW_REGISTRY_STORE_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_STATIC_PREFIX",
)


class _Ended(Exception):  # noqa: N818 (a wish, not an error)
    """The user, or the system, asked the server to end."""


def serve(root: Path, *, port: int = PORT, on_ready: Callable[[str], None]) -> None:
    """Serve the pages of the repository's store until Ctrl-C or SIGTERM.

    Where the store is a server, that one has the pages: `on_ready` gets its address, nothing is started.

    Args:
        root: The repository's folder.
        port: The port on 127.0.0.1.
        on_ready: Called once with the address of the experiment's table of runs.

    Raises:
        TrackingError: The store cannot be used, the port is taken, or the server does not start.
    """
    uri = tracking_uri(root)
    if uri.startswith(("http://", "https://")):
        on_ready(page_address(uri.rstrip("/"), experiment_id(client(root))))
        return
    _check_port(port)
    opened = client(root)
    experiment = experiment_id(opened)
    log = _log_of(root)
    with log.open("wb") as stream, _signals():
        # Of a project that this user cannot write, a copy of the store.
        process = _start(opened.tracking_uri, root, port, stream)
        try:
            _await_start(process, port, log)
            on_ready(page_address(f"http://{HOST}:{port}", experiment))
            process.wait()
        except _Ended:
            return
        finally:
            _end(process)
    raise TrackingError(
        f"{shown(uri)}: MLflow's server ended by itself (exit code {process.returncode}); "
        f"see {log}, which says why"
    )


def _log_of(root: Path) -> Path:
    """The server's log: in the project, or where this user may write."""
    folder = root / ".ferflow"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ui.log").touch()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="ferflow-ui-"))
    return folder / "ui.log"


def page_address(server: str, experiment: str) -> str:
    """Where a server shows the experiment's runs with ferflow's columns."""
    options = f"viewStateShareKey={names.VIEW}&workflowType=machine_learning"
    return f"{server}/#/experiments/{experiment}/runs?{options}"


def server_environment(uri: str) -> dict[str, str]:
    """The environment of a server: the store, checks on, neither jobs nor pickles.

    Args:
        uri: The URI of the store. It is handed over here since the command line is visible to all users.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return kept | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def server_command(root: Path, port: int) -> list[str]:
    """The command of a server that answers requests to this machine by its own names only."""
    hosts = [name for host in (HOST, "localhost") for name in (host, f"{host}:{port}")]
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", ",".join(hosts)),
        *("--artifacts-destination", str((root / ARTIFACTS).resolve())),
    ]


def _check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server binds: connections of an earlier one that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            found = "is in use by another program" if taken else f"cannot be opened ({error.strerror})"
            raise TrackingError(
                f"port {port} of {HOST} {found}; choose another one: 'ferflow ui --port {port + 1}'"
            ) from error


def _start(uri: str, root: Path, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # In a session of its own, so that its children can be ended with it.
    return subprocess.Popen(
        server_command(root, port),
        env=server_environment(uri),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _await_start(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        if process.poll() is not None:
            raise TrackingError(
                f"MLflow's server did not start (exit code {process.returncode}); see {log}, which says why"
            )
        if _answers(port):
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    raise TrackingError(
        f"MLflow's server did not answer within {_SECONDS_TO_START:.0f} s; "
        f"see {log}, which says why, and try again"
    )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        with connection.getresponse() as response:
            return response.status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and every process that it started."""
    if not hasattr(os, "killpg"):  # Windows has no process groups
        process.kill()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)
            if not _group_lives(process.pid):
                return


def _group_lives(group: int) -> bool:
    until = time.monotonic() + _SECONDS_TO_END
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return True


@contextmanager
def _signals() -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and SIGHUP raise once, so that nothing is left running."""

    def end(*_: object) -> None:
        for number in former:
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        numbers.append(signal.SIGHUP)
    former = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
