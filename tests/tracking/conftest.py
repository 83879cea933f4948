"""Stores that tests of tracking share: making one takes seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.db import utils
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ferflow.tracking import store
from tests.conftest import made_once

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "FERFLOW_TRACKING")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory) -> Path:
    """The SQLite file of a store, to be copied; its experiment is not the one of the tests."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            for name in SETTINGS:
                patch.delenv(name, raising=False)
            patch.setenv("MLFLOW_EXPERIMENT_NAME", "of the template")
            store.client(folder)

    return made_once(tmp_path_factory, "migrated", make) / store.DATABASE


@pytest.fixture(scope="session", autouse=True)
def known_schema() -> Iterator[None]:
    """MLflow's newest schema is looked for once, not in its 67 files for each store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_get_latest_schema_revision", cache(utils._get_latest_schema_revision))
        yield


@pytest.fixture(scope="session", autouse=True)
def unhurried_databases() -> Iterator[None]:
    """SQLite in this process leaves the time of writing to the system, as no machine loses its power here.

    The tests of the registry alone have some 4,000 commits, each of which waited for the disk.
    """

    def leave_it(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", leave_it)
    yield
    event.remove(Engine, "connect", leave_it)


def copy_store(database: Path, root: Path) -> Path:
    """Put a copy of a store into the folder of a repository, which is made; returns that folder."""
    target = root / store.DATABASE
    target.parent.mkdir(parents=True)
    target.write_bytes(database.read_bytes())
    return root


@pytest.fixture
def embedded(migrated_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a repository with an empty embedded store, and no setting of the environment."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return copy_store(migrated_database, tmp_path / "repository")
