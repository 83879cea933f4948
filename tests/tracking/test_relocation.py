"""A project that was moved, copied, renamed or mounted elsewhere keeps its runs and its champion."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from ferflow.cli import registry, tracking
from ferflow.errors import TrackingError
from ferflow.tracking import names, relocation, store
from ferflow.tracking.outbox.journal import all_journals
from ferflow.tracking.outbox.sent import Budget, is_complete
from ferflow.tracking.outbox.upload import send
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from ferflow.tracking.tracked_run import predictions_of
from ferflow.tracking.ui import server_command
from tests.tracking.light_runs import light_run
from tests.tracking.stored_runs import store_run

_RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)


@pytest.fixture
def project(embedded: Path, tmp_path: Path) -> Path:
    """A project with two scored runs, a champion and a journal that was sent."""
    client = store.client(embedded)
    for name in ("medium", "full"):
        register(client, store_run(client, tmp_path / "made", name), _RULES)
    send(embedded, light_run(embedded, "sent"), Budget())
    return embedded


def _everything_below(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def _places(root: Path) -> set[str]:
    """Every text of the database that names a place on this machine."""
    found = set()
    with sqlite3.connect(root / store.DATABASE) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                found |= {
                    value
                    for value in row
                    if isinstance(value, str) and ("file:" in value or value.startswith("/"))
                }
    return found


def _assert_all_works(root: Path, monkeypatch, capsys) -> None:
    """Everything that is done with a store, in the project's folder."""
    monkeypatch.chdir(root)
    client = store.client(Path())
    version = client.get_model_version_by_alias(names.REGISTERED_MODEL, names.CHAMPION)
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    path = store.load_mlflow().artifacts.download_artifacts(
        artifact_uri=f"models:/{names.REGISTERED_MODEL}@{names.CHAMPION}", dst_path=str(root / "fetched")
    )
    assert (Path(path) / "MLmodel").is_file()
    assert model.artifact_location.startswith((root / store.ARTIFACTS).resolve().as_uri())
    registry.compare(runs=["medium", "full"], last=2, output=root / "page.html")
    registry.register(run="full", force=False, params=Path(__file__).parents[2] / "params.yaml")
    assert "champion: version 2" in capsys.readouterr().out
    tracking.sync()
    assert "nothing to send" in capsys.readouterr().out
    fresh = light_run(Path(), "here")
    run_id = send(Path(), fresh, Budget())
    assert client.get_run(run_id).info.artifact_uri.startswith(root.resolve().as_uri())
    assert str((root / store.ARTIFACTS).resolve()) in server_command(Path(), 5000)
    for place in _places(root):
        assert str(root.resolve()) in place or root.resolve().as_uri() in place, place


@pytest.mark.parametrize(
    "name",
    [
        "100% a?b#c",
        "deep/er/place",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("project2", "with blank", "ünï")),
    ],
)
def test_a_moved_project_works_at_its_new_place(
    project: Path, tmp_path: Path, name: str, monkeypatch, capsys
):
    target = tmp_path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    project.rename(target)
    _assert_all_works(target, monkeypatch, capsys)
    assert not project.exists()


def test_a_copy_writes_to_itself_and_leaves_the_original_alone(
    project: Path, tmp_path: Path, monkeypatch, capsys
):
    before = _everything_below(project)
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    _assert_all_works(copy, monkeypatch, capsys)
    assert _everything_below(project) == before
    _assert_all_works(project, monkeypatch, capsys)


@pytest.mark.slow
def test_a_project_that_came_back_works_again(project: Path, tmp_path: Path, monkeypatch, capsys):
    away = tmp_path / "away"
    project.rename(away)
    store.client(away)
    away.rename(project)
    _assert_all_works(project, monkeypatch, capsys)


def test_a_store_of_an_earlier_version_is_noticed_by_the_names_of_its_folders(
    project: Path, tmp_path: Path, monkeypatch, capsys
):
    with sqlite3.connect(project / store.DATABASE) as connection:
        connection.execute("DELETE FROM experiment_tags WHERE key = ?", (relocation.TAG_HOME,))
    sent = next(path for path in (project / ".ferflow").rglob("sent.json"))
    sent.write_text(sent.read_text().replace('"mlruns/mlflow.db ', f'"sqlite:///{project}/mlruns/mlflow.db '))
    target = tmp_path / "moved"
    project.rename(target)
    _assert_all_works(target, monkeypatch, capsys)


def test_artifacts_that_another_checkout_keeps_for_a_shared_database_stay_there(
    project: Path, tmp_path: Path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / store.DATABASE}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of the other checkout")
    client = store.client(other)
    run = store_run(client, tmp_path / "more", "wide")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    client = store.client(project)
    assert client.get_run(run.run_id).info.artifact_uri.startswith(other.as_uri())
    assert len(predictions_of(client, run).files) > 0


def test_a_moved_store_that_cannot_be_written_says_so(project: Path, tmp_path: Path, monkeypatch):
    target = tmp_path / "moved"
    project.rename(target)

    class ReadOnly(sqlite3.Connection):
        def execute(self, command: str, *arguments: object) -> sqlite3.Cursor:
            if command.startswith("UPDATE"):
                raise sqlite3.OperationalError("attempt to write a readonly database")
            return super().execute(command, *arguments)

    real = sqlite3.connect
    monkeypatch.setattr(
        relocation.sqlite3, "connect", lambda *names, **options: real(*names, **options, factory=ReadOnly)
    )
    with pytest.raises(TrackingError, match=r"mlflow.db: cannot be read or written .*writable for this user"):
        store.client(target)


def test_what_is_no_database_is_named(embedded: Path):
    (embedded / store.DATABASE).write_bytes(b"something else" * 1000)
    with pytest.raises(TrackingError, match=r"mlflow.db: cannot be read or written"):
        store.client(embedded)


def test_an_experiment_in_a_copy_of_dvc_is_recorded_in_the_project(project: Path, tmp_path: Path):
    for place in ("tmpx1", "standalone/tmpx2"):
        workspace = project / ".dvc" / "tmp" / "exps" / place
        workspace.mkdir(parents=True)
        journal = light_run(workspace, place)
        send(workspace, journal, Budget())
        assert not (workspace / "mlruns").exists()
        shutil.rmtree(workspace)
    assert len(all_journals(project)) == 3
    assert all(is_complete(journal) for journal in all_journals(project))
    client = store.client(project)
    assert len(client.search_runs([store.experiment_id(client)])) == 5


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_store_on_a_bigger_disk_by_a_link_stays_there(embedded: Path, tmp_path: Path):
    big = tmp_path / "big"
    (embedded / "mlruns").rename(big)
    (embedded / "mlruns").symlink_to(big)
    run_id = send(embedded, light_run(embedded, "linked"), Budget())
    assert store.client(embedded).get_run(run_id).info.artifact_uri.startswith(big.as_uri())
    moved = tmp_path / "renamed"
    embedded.rename(moved)
    assert store.client(moved).get_run(run_id).info.artifact_uri.startswith(big.as_uri())
