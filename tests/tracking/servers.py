"""Real servers for tests: MLflow's and PostgreSQL's, on a free port of this machine."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.conftest import lacks

_SECONDS_TO_START = 120


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class MlflowServer:
    """A tracking server of its own processes, to be killed and started again.

    Args:
        folder: Its database and artifacts lie there.
        database: A migrated SQLite file to begin with.
    """

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        shutil.copyfile(database, folder / "mlflow.db")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, without waiting."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db", "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self._process = subprocess.Popen(
            command,
            cwd=self._folder,
            env={**inherited, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)

        _wait_for(answers, OSError)

    def fill_disk(self, largest_file: int) -> None:
        """Have writes beyond so many bytes of a file fail, as on a full disk."""
        self._limit_files(largest_file)

    def empty_disk(self) -> None:
        """Take back `fill_disk`."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        for each in [process, *process.children(recursive=True)]:
            each.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """End it at once with all its processes, by signal 9."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class PostgresqlServer:
    """A PostgreSQL server with an empty database, to be killed, as by a power cut, and started again."""

    def __init__(self) -> None:
        self._programs = _postgresql_programs()
        # Not a folder of pytest: only its owner can enter those, and PostgreSQL refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="ferflow-postgresql-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": self._folder,
        }
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = self._folder / "data"
        command = [self._programs / "initdb", "-D", data, "-A", "trust", "-U", "ferflow", "--no-sync"]
        subprocess.run(command, check=True, **self._options)

    @property
    def url(self) -> str:
        """Its address, as SQLAlchemy takes it."""
        return f"postgresql://ferflow@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        place = ["-D", self._folder / "data", "-k", self._folder, "-h", "127.0.0.1", "-p", str(self._port)]
        self._process = subprocess.Popen(
            [self._programs / "postgres", *place], start_new_session=True, **self._options
        )
        _wait_for(lambda: psycopg.connect(self.url).close() is None, psycopg.OperationalError)

    def kill(self) -> None:
        """End it at once with all its processes, by signal 9."""
        if self._process is not None:
            # Each process of a connection has a session of its own.
            process = psutil.Process(self._process.pid)
            for each in [process, *process.children(recursive=True)]:
                each.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server that runs, and is gone at the end."""
    server = PostgresqlServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs; Debian keeps them out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        lacks("PostgreSQL is not installed; run 'apt-get install postgresql'")
    return (found[-1] if found else Path(str(on_path))).parent


def _wait_for(condition: Callable[[], bool], not_yet: type[Exception]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            if condition():
                return
        except not_yet:
            pass
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.1)
