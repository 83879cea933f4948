"""Stores that tests of tracking share: making one takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferflow.tracking import store

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "FERFLOW_TRACKING")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory) -> Path:
    """The SQLite file of a store, to be copied; its experiment is not the one of the tests."""
    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "of the template")
        store.client(folder)
    return folder / store.DATABASE


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
