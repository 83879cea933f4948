"""Where studies are kept: an SQLite file, a journal file, or PostgreSQL; never MLflow's own database.

A storage comes with a lock that all processes of all machines on it share. Under it trials are handed
out, and those of dead workers are given back, so that none is lost and none is run twice.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.errors import TuningError
from ferflow.files import output_error
from ferflow.locks import locked
from ferflow.places import typed
from ferflow.sqlite_url import sqlite_url
from ferflow.tuning.study_journal import open_journal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

DEFAULT = Path(".ferflow/tuning/studies.db")

_SQLITE_TIMEOUT = 60  # Seconds that a writer waits for another one.
_CONNECT_TIMEOUT = 10
_HEARTBEAT_SECONDS = 10
_GRACE_SECONDS = 60
_JOURNALS = (".journal", ".log", ".jsonl")
# What Optuna says, by a KeyError, of a study that its tables or its journal do not hold.
_GONE = ("Record does not exist", "NotFound", "No such study")


@dataclass(frozen=True)
class Address:
    """Where a storage is.

    Attributes:
        url: The URL of the database; empty for a journal.
        path: The path of the file; None for a server.
    """

    url: str
    path: Path | None

    @property
    def shown(self) -> str:
        """The address without a password."""
        if self.path is not None:
            return str(self.path)

        return heavy.sqlalchemy.engine.make_url(self.url).render_as_string(hide_password=True)


def parse_address(text: str) -> Address:
    """What `--storage` means: a URL of SQLite or PostgreSQL, or the path of an SQLite or journal file.

    Raises:
        TuningError: It is none of them, or MLflow's.
    """
    if "://" not in text:
        path = Path(typed(text, key="--storage")).absolute()
        return Address("" if path.suffix in _JOURNALS else sqlite_url(path), path)

    try:
        url = heavy.sqlalchemy.engine.make_url(text)
    except (heavy.sqlalchemy.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise TuningError(
            f"--storage: no URL of a database ({error}); write / # ? @ of a password as %2F %23 %3F %40; "
            "see 'ferflow tune --help'"
        ) from None
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database:
        path = Path(url.database).absolute()
        return Address(sqlite_url(path), path)
    if kind != "postgresql":
        raise TuningError(
            f"--storage {url.render_as_string(hide_password=True)}: {kind} found, expected postgresql://, "
            "sqlite:///FILE, or the path of a .db or .journal file"
        )
    return Address(text, None)


class Store:
    """An open storage.

    Args:
        address: Where it is.
        heartbeat_seconds: Between two signs of life of a running trial.
        grace_seconds: Without a sign of life after which a trial counts as dead.

    Raises:
        TuningError: It cannot be reached, is no storage of Optuna, or is MLflow's database.
        OutputError: Its file cannot be made.
    """

    def __init__(
        self,
        address: Address,
        *,
        heartbeat_seconds: int = _HEARTBEAT_SECONDS,
        grace_seconds: int = _GRACE_SECONDS,
    ) -> None:
        self.address = address
        self.heartbeat_seconds = heartbeat_seconds
        if address.path is not None:
            try:
                address.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise output_error(address.path, error) from error
        self._file: int | None = None
        with quiet(), self.errors():
            self.storage: BaseStorage = (
                self._database(grace_seconds)
                if address.path is None or address.url
                else open_journal(address.path)
            )
        self._file = self._file_now()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self.address.url:
            self.storage.engine.dispose()  # type: ignore[attr-defined]

    @property
    def has_heartbeats(self) -> bool:
        """Whether a trial of another machine that died is noticed."""
        return bool(self.address.url)

    def beat(self, trial_id: int) -> None:
        """Record that a trial is alive."""
        if self.has_heartbeats:
            self.storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]

    @contextmanager
    def lock(self, study: str) -> Iterator[None]:
        """Hold the lock of a study; the kernel or the server releases it when the process dies."""
        if self.address.path is not None:
            with locked(self.address.path.with_name(f"{self.address.path.name}.lock")):
                yield
            return

        engine: Any = self.storage.engine  # type: ignore[attr-defined]
        with engine.begin() as connection:
            number = zlib.crc32(f"ferflow {study}".encode())
            connection.execute(
                heavy.sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number}
            )
            yield

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what a storage raises when it cannot be used into one message.

        A file that was removed or replaced is noticed before: SQLite would write on into the removed one.

        Raises:
            TuningError: With the reason and the cure.
        """
        if self._file is not None and self._file_now() != self._file:
            raise TuningError(
                f"storage {self.address.shown}: was removed or replaced while the study went on; put it back "
                "and run the same command again, or begin another study (--study)"
            )
        try:
            yield
        except heavy.optuna.exceptions.UpdateFinishedTrialError:
            raise
        except KeyError as error:
            if not any(sign in str(error) for sign in _GONE):
                raise
            raise TuningError(
                f"storage {self.address.shown}: no longer holds the study; put its file back and run the "
                "same command again, or begin another study (--study)"
            ) from error
        except (
            heavy.optuna.exceptions.StorageInternalError,
            heavy.sqlalchemy.exc.SQLAlchemyError,
            OSError,
            RuntimeError,
        ) as error:
            cause = (
                error.__cause__ if isinstance(error, heavy.optuna.exceptions.StorageInternalError) else error
            )
            reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
            raise TuningError(
                f"storage {self.address.shown}: cannot be used ({reason}); bring it back and run the same "
                "command again: the study goes on"
            ) from error

    def _file_now(self) -> int | None:
        """What tells the file from another one of its name; None of a server, or where it is gone."""
        if self.address.path is None:
            return None
        try:
            return self.address.path.stat().st_ino
        except OSError:
            return None

    def _database(self, grace_seconds: int) -> BaseStorage:
        is_file = self.address.path is not None
        connect = {"timeout": _SQLITE_TIMEOUT} if is_file else {"connect_timeout": _CONNECT_TIMEOUT}
        arguments: dict[str, Any] = {"connect_args": connect, "pool_pre_ping": True}
        with _creation_lock(self.address):
            engine = heavy.sqlalchemy.create_engine(self.address.url, **arguments)
            try:
                _refuse_mlflow(engine, self.address)
            finally:
                engine.dispose()
            storage = heavy.optuna.storages.RDBStorage(
                self.address.url,
                engine_kwargs=arguments,
                heartbeat_interval=self.heartbeat_seconds,
                grace_period=grace_seconds,
            )
            if is_file:
                _write_ahead(storage.engine)
        return storage


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings of features that may change, and its line for each trial."""
    heavy.optuna.logging.set_verbosity(heavy.optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", heavy.optuna.exceptions.ExperimentalWarning)
        # Heartbeats are recorded by the worker itself.
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
        yield


def _refuse_mlflow(engine: Any, address: Address) -> None:
    """MLflow and Optuna both own the table `alembic_version`: one of them would break the other."""
    tables = set(heavy.sqlalchemy.inspect(engine).get_table_names())
    is_default = address.path is not None and address.path.parts[-2:] == ("mlruns", "mlflow.db")
    if is_default or ("experiments" in tables and "studies" not in tables):
        raise TuningError(
            f"storage {address.shown}: is MLflow's database, which a study would break; give a database of "
            "its own, such as another name on the same server"
        )


def _write_ahead(engine: Any) -> None:
    """Have SQLite write ahead: readers never wait for a writer, and a commit does not wait for the disk.

    A power cut can take the last commits back, never the file: their trials are retried.
    """

    def settle(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    heavy.sqlalchemy.event.listen(engine, "connect", settle)
    engine.dispose()  # Connections made before did not hear of it.


@contextmanager
def _creation_lock(address: Address) -> Iterator[None]:
    """One process after the other makes the tables: at once, all but one would fail."""
    if address.path is None:
        engine = heavy.sqlalchemy.create_engine(
            address.url, connect_args={"connect_timeout": _CONNECT_TIMEOUT}
        )
        try:
            with engine.begin() as connection:
                connection.execute(
                    heavy.sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": 0x6665726D}
                )
                yield
        finally:
            engine.dispose()
        return
    with locked(address.path.with_name(f"{address.path.name}.lock")):
        yield
