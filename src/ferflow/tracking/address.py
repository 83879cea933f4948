"""The address of the store: which one is meant, whether it can be one, and how it is printed."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ferflow import heavy
from ferflow.errors import TrackingError
from ferflow.sqlite_url import sqlite_url

DATABASE = Path("mlruns/mlflow.db")
ARTIFACTS = Path("mlruns/artifacts")
VARIABLE = "MLFLOW_TRACKING_URI"

# Seconds that a connection of SQLite waits for another one that writes.
_SQLITE_TIMEOUT = 60
_WEB = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql")
# What MLflow resolves by settings of their own.
_SERVICES = ("databricks", "databricks-uc", "uc")
_EXPECTED = "expected http://HOST:PORT, https://HOST, postgresql://USER@HOST/NAME or sqlite:////FILE"


# The address of a copy that is read, to that of the store.
_STAND_INS: dict[str, str] = {}


def project_root(root: Path) -> Path:
    """The project that a folder belongs to: itself, or the one whose experiment DVC runs in a copy.

    `dvc exp run --temp` and DVC's queue lay a copy out below `.dvc/tmp/exps`, and remove it afterwards:
    runs are kept in the project.

    Args:
        root: The repository's folder, or a copy that DVC made of it.
    """
    for folder in root.resolve().parents:
        if folder.name == "exps" and folder.parent.name == "tmp" and folder.parents[1].name == ".dvc":
            return folder.parents[2]
    return root


def tracking_uri(root: Path) -> str:
    """Where runs are kept: `MLFLOW_TRACKING_URI`, or the SQLite database of the project.

    Args:
        root: The repository's folder.
    """
    return os.environ.get(VARIABLE, "").strip() or sqlite_url(database_of(root), timeout=_SQLITE_TIMEOUT)


def database_of(root: Path) -> Path:
    """The file of the embedded store."""
    return (project_root(root) / DATABASE).resolve()


def is_web(uri: str) -> bool:
    """Whether a store is asked by HTTP."""
    return _scheme(uri) in _WEB


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store; None of any other one."""
    uri = _STAND_INS.get(uri, uri)
    if not uri.startswith("sqlite:"):
        return None

    path = heavy.sqlalchemy.engine.make_url(uri).database
    return Path(path).absolute() if path and path != ":memory:" else None


def is_embedded(root: Path, uri: str) -> bool:
    """Whether a store is the project's own, however it is named."""
    path = sqlite_file(uri)
    return path is not None and path.resolve() == database_of(root)


def check_address(uri: str) -> None:
    """Refuse an address that cannot be the one of a store, before anything waits for it.

    Raises:
        TrackingError: Says what was found, what is expected, and the cure.
    """
    scheme = _scheme(uri)
    if scheme in ("", "file") or len(scheme) == 1:  # A path, or a drive of Windows.
        raise TrackingError(
            f"{VARIABLE}: {shown(uri)!r} is a folder of files, which MLflow 3 no longer takes for a store; "
            f"{_EXPECTED}; unset it to use {DATABASE} of the project"
        )
    if scheme in _WEB:
        _check_web(uri)
    elif scheme.split("+")[0] in _DATABASES:
        _check_database(uri)
    elif scheme not in _SERVICES:
        raise TrackingError(f"{VARIABLE}: {scheme}:// found, {_EXPECTED}; correct it, or unset it")


def _check_web(uri: str) -> None:
    found = ""
    try:
        parts = urlsplit(uri)
        if not parts.hostname:
            found = "it names no host"
        elif parts.port == 0:
            found = "its port is 0"
        elif any(character.isspace() for character in uri):
            found = "it holds a blank"
    except ValueError:  # Of `port`: no number, or above 65535; of the host: half an IPv6 address.
        found = "its host or port cannot be read"
    if found:
        raise TrackingError(
            f"{VARIABLE}: {shown(uri)}: {found}; expected http://HOST:PORT with a port from 1 to 65535; "
            "correct it, or unset it"
        )


def _check_database(uri: str) -> None:
    try:
        heavy.sqlalchemy.engine.make_url(uri)
    except (heavy.sqlalchemy.exc.ArgumentError, ValueError):
        raise TrackingError(
            f"{VARIABLE}: {shown(uri)}: no address of a database; {_EXPECTED}; a password with /, @ or # in "
            "it is written percent-encoded (%2F, %40, %23)"
        ) from None


def stand_for(copy: str, original: str) -> None:
    """Have messages name a store where a copy of it is read."""
    _STAND_INS[copy] = original


def shown(uri: str) -> str:
    """A tracking URI as it may be printed: without user of a server, password and options.

    What cannot be read as an address is cut down to its scheme: nobody knows where a password is in it.
    """
    uri = _STAND_INS.get(uri, uri)
    scheme = _scheme(uri)
    if scheme in _WEB:
        return _shown_web(uri)
    if scheme.split("+")[0] in _DATABASES:
        return _shown_database(uri)
    if "@" in uri:
        return f"{scheme}://..." if scheme else "..."
    return uri.split("?")[0]


def _shown_web(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{_scheme(uri)}://..."
    if "@" in parts.path or not host:  # A password with a slash, as in http://me:a/b@host.
        return f"{parts.scheme}://..."
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path}"


def _shown_database(uri: str) -> str:
    try:
        url = heavy.sqlalchemy.engine.make_url(uri)
    except (heavy.sqlalchemy.exc.ArgumentError, ValueError):
        return f"{_scheme(uri)}://..."
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database or ''}"
    if "@" in f"{url.host}{url.database}":  # A password with an @ that was not encoded.
        return f"{url.drivername}://..."
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.drivername}://{user}{url.host or ''}{port}/{url.database or ''}"


def place_of(root: Path, uri: str) -> str:
    """What `sent.json` calls a store: the embedded one by its place in the project, which may move."""
    return str(DATABASE) if is_embedded(root, uri) else shown(uri)


def _scheme(uri: str) -> str:
    head, separator, _ = uri.partition(":")
    return (
        head.lower()
        if separator and head.replace("+", "").replace("-", "").isalnum()
        else (head.lower() if head.lower() in _SERVICES else "")
    )
