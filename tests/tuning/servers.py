"""A PostgreSQL server that can be killed, as by a power cut, and started again on the same data."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.tracking.servers import _postgresql_programs, _wait_for, free_port


class PostgresqlServer:
    """A server with an empty database, on a free port of this machine."""

    def __init__(self) -> None:
        self._programs = _postgresql_programs()
        # Not a folder of pytest: only its owner can enter those, and PostgreSQL refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="ferflow-postgresql-"))
        self._port = free_port()
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
        self._process: subprocess.Popen[bytes] | None = None

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
        """End all its processes at once by SIGKILL."""
        if self._process is not None:
            self._signal_all(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        # Each process of a connection has a session of its own.
        import psutil

        main = psutil.Process(self._process.pid)
        for process in [main, *main.children(recursive=True)]:
            process.send_signal(number)
