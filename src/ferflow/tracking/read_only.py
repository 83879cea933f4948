"""The store of a project that this user may only read, as another user's or one on a read-only mount.

SQLite and MLflow want to write where they read. They get a copy of the database that cannot be written,
either, in which artifacts have the place where they are now; the project itself is left alone.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from ferflow.errors import TrackingError
from ferflow.sqlite_url import sqlite_url
from ferflow.tracking.relocation import settle

_SECONDS = 60


def is_read_only(database: Path) -> bool:
    """Whether a database is there that this user cannot write, or whose folder."""
    return database.is_file() and not (os.access(database, os.W_OK) and os.access(database.parent, os.W_OK))


@cache
def copy_for_reading(database: Path) -> str:
    """The address of a copy that can be read and not written; it is removed when the process ends.

    Args:
        database: The SQLite file; the artifacts lie beside it.

    Raises:
        TrackingError: It cannot be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="ferflow-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / database.name
    # `immutable`: where its folder cannot be written, SQLite makes no files for locks there.
    source = f"{database.resolve().as_uri()}?immutable=1"
    try:
        with (
            closing(sqlite3.connect(source, timeout=_SECONDS, uri=True)) as original,
            closing(sqlite3.connect(copy)) as made,
        ):
            original.backup(made)
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"{database}: cannot be read ({error}); it must be MLflow's database and readable for this user: "
            "correct that, or put a copy of it back"
        ) from error
    settle(copy, home=database.resolve().parent)
    _refuse_writes(copy)
    return sqlite_url(copy)


def _refuse_writes(copy: Path) -> None:
    """By triggers: MLflow takes no address that opens a file for reading alone, and root may write all."""
    with closing(sqlite3.connect(copy)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            for change in ("INSERT", "UPDATE", "DELETE"):
                connection.execute(
                    f'CREATE TRIGGER "ferflow {change} {table}" BEFORE {change} ON "{table}" '
                    "BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
                )
        connection.commit()
