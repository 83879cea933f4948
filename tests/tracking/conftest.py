"""Stores that tests of tracking share: making one takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferflow.tracking import store

_MADE_FROM = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "FERFLOW_TRACKING")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory) -> Path:
    """The SQLite file of a store, to be copied; its experiment is not the one of the tests."""
    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        for name in _MADE_FROM:
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "of the template")
        store.client(folder)
    return folder / store.DATABASE


@pytest.fixture
def embedded(migrated_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a repository with an empty embedded store, and no setting of the environment."""
    for name in _MADE_FROM:
        monkeypatch.delenv(name, raising=False)
    target = tmp_path / "repository" / store.DATABASE
    target.parent.mkdir(parents=True)
    target.write_bytes(migrated_database.read_bytes())
    return tmp_path / "repository"
