"""A store that moved with its project: its rows name the artifacts by the place where they were.

MLflow writes the place of every artifact as an absolute path. When the project was moved, copied, renamed
or mounted elsewhere, the rows of the database beside it are rewritten to the present place, in one
transaction. Another project's store, the original of a copy among them, is never touched.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ferflow.errors import TrackingError

# Tag of an experiment: the folder of the store that it was made in, as a URI.
TAG_HOME = "ferflow.store"

_SECONDS = 60
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
    ("experiment_tags", "value"),
    ("trace_tags", "value"),
)
# Where ferflow and MLflow put artifacts in `mlruns`, of stores without the tag.
_LOCATION = re.compile(r"(.*/mlruns)/(?:artifacts|\d+)(?:/.*)?")
_RUNS_LOOKED_AT = 50


def settle(database: Path, *, home: Path | None = None) -> None:
    """Have the rows of a store name the artifacts beside it, where they name those of another place.

    Args:
        database: The SQLite file. Nothing is done where it is not there.
        home: The folder that holds the artifacts; None: that of the file.

    Raises:
        TrackingError: The store moved, and its database cannot be written.
    """
    if not database.is_file():
        return
    home = home or database.resolve().parent
    try:
        with closing(sqlite3.connect(database, timeout=_SECONDS, isolation_level=None)) as connection:
            columns = [entry for entry in _COLUMNS if _has(connection, *entry)]
            former = _former_homes(connection, home)
            if former:
                _rewrite(connection, columns, former, home)
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"{database}: cannot be read or written ({error}); it must be MLflow's database, and its folder "
            "must be writable for this user: correct that, or put a copy of it back"
        ) from error


def _former_homes(connection: sqlite3.Connection, home: Path) -> list[Path]:
    """The folders that this store lay in before."""
    if not _has(connection, "experiments", "artifact_location"):
        return []
    known = connection.execute("SELECT value FROM experiment_tags WHERE key = ?", (TAG_HOME,))
    tagged = {_path(value) for (value,) in known} - {None, home}
    # Folders that ferflow and MLflow call `mlruns`, of stores from before the tag.
    named = set()
    for (location,) in connection.execute("SELECT artifact_location FROM experiments"):
        path = _path(location)
        match = _LOCATION.fullmatch(path.as_posix()) if path is not None else None
        if match and Path(match[1]) not in (home, *tagged):
            named.add(Path(match[1]))
    return [path for path in tagged if path] + [path for path in named if _was_home(connection, path, home)]


def _was_home(connection: sqlite3.Connection, path: Path, home: Path) -> bool:
    """Whether the store was moved or copied from there; else another checkout keeps its artifacts there."""
    if not path.exists() or (path / "mlflow.db").is_file():
        return True
    rows = connection.execute(
        "SELECT artifact_uri FROM runs ORDER BY start_time DESC LIMIT ?", (_RUNS_LOOKED_AT,)
    )
    for (location,) in rows:
        artifacts = _path(location)
        if artifacts is None or not artifacts.is_relative_to(path) or artifacts.exists():
            continue
        if (home / artifacts.relative_to(path)).exists():
            return True
    return False


def _rewrite(
    connection: sqlite3.Connection, columns: list[tuple[str, str]], former: list[Path], home: Path
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, column in columns:
            for path in former:
                for old, new in _spellings(path, home):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (names of above)
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _spellings(old: Path, new: Path) -> Iterator[tuple[str, str]]:
    yield old.as_uri(), new.as_uri()
    yield str(old), str(new)


def _path(location: str | None) -> Path | None:
    """The folder of a location; None of one that is no absolute path of this machine."""
    if not location:
        return None
    parts = urlsplit(location) if location.startswith("file:") else None
    path = Path(url2pathname(parts.path) if parts else location)
    return path if path.is_absolute() else None


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether the database has a column; older ones lack some."""
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
