"""A registered version with its network and reports, and `ferflow export` of it, from a real SQLite store."""

from __future__ import annotations

import json
import shutil

import pytest
from mlflow.entities import LoggedModelOutput, Param
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import DataError, FerflowError, TrackingError
from ferflow.files import sha256_of
from ferflow.serving.export_folder import read_description
from ferflow.tracking import names
from ferflow.tracking.registry.registered import fetch_network, fetch_reports, find_version, lineage_of
from ferflow.tracking.store import client as store_client
from ferflow.tracking.store import experiment_id
from tests.exports import VIEWS, write_scored_network
from tests.tracking.small_repository import run


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A folder with a scored network; not to be changed."""
    root = tmp_path_factory.mktemp("scored")
    write_scored_network(root)
    return root


@pytest.fixture
def root(embedded, scored, monkeypatch):
    """The repository with store and scored network, which is the working folder."""
    shutil.copytree(scored, embedded, dirs_exist_ok=True)
    monkeypatch.chdir(embedded)
    return embedded


@pytest.fixture
def client(root):
    return store_client(root)


def _register(client, root, *, alias=names.CHAMPION, tags=None, params=None) -> str:
    """Store the network as a run with a logged model, and register it; the run's id."""
    known = {
        names.TAG_TEST: sha256_of(root / "data" / "split" / "test.npz"),
        names.TAG_COMMIT: "0123456789abcdef",
        names.TAG_JOURNAL: "of no interest",
    }
    run_id = client.create_run(experiment_id(client), tags=known | (tags or {})).info.run_id
    views = {"evaluate.test_time_augmentation": VIEWS} | (params or {})
    client.log_batch(run_id, params=[Param(key, value) for key, value in views.items()])
    client.log_artifacts(run_id, str(root / "reports"), names.REPORTS)
    folder = root / "model"
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "models" / "model.keras", folder / "artifacts" / "model.keras")
    digest = {names.TAG_MODEL: sha256_of(root / "models" / "model.keras")}
    model = client.create_logged_model(
        experiment_id(client), name=names.MODEL, source_run_id=run_id, tags=digest
    )
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.set_terminated(run_id)
    if not client.search_registered_models():
        client.create_registered_model(names.REGISTERED_MODEL)
    version = client.create_model_version(
        names.REGISTERED_MODEL, f"models:/{model.model_id}", run_id, model_id=model.model_id
    )
    client.set_registered_model_alias(names.REGISTERED_MODEL, alias, version.version)
    return run_id


def _export(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["export", *arguments])
    if isinstance(result.exception, FerflowError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_export_takes_the_champion_with_what_is_known_of_it(client, root):
    run_id = _register(client, root)
    network = sha256_of(root / "models" / "model.keras")
    shutil.rmtree(root / "models")
    shutil.rmtree(root / "reports")
    printed = _export()
    assert printed.startswith(f"export: {names.REGISTERED_MODEL} 1\n")
    found = read_description(root / "export")
    assert (found.name, found.version, found.run_id) == (names.REGISTERED_MODEL, "1", run_id)
    assert (found.model_sha256, found.test_time_augmentation) == (network, VIEWS)
    assert found.temperature == 1.25
    card = (root / "export" / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {names.REGISTERED_MODEL}, version 1\n")
    for text in (run_id, "`0123456789abcdef`", names.TAG_TEST, "95 % interval"):
        assert text in card
    assert names.TAG_JOURNAL not in card


def test_a_version_is_found_by_alias_or_number(client, root, tmp_path):
    first = _register(client, root)
    second = _register(client, root, alias=names.CHALLENGER)
    for wanted, number, run_id in (
        ("champion", "1", first),
        ("challenger", "2", second),
        ("1", "1", first),
        ("2", "2", second),
    ):
        version = find_version(client, wanted)
        assert (version.number, version.run.run_id) == (number, run_id)
    path = fetch_network(client, version, tmp_path)
    assert path.read_bytes() == (root / "models" / "model.keras").read_bytes()
    reports = fetch_reports(client, version.run, tmp_path)
    assert set(reports) == {"metrics.json", "train.json", "download.json"}
    assert reports["metrics.json"] == json.loads((root / "reports" / "metrics.json").read_text())
    assert lineage_of(version.run)[names.TAG_COMMIT] == "0123456789abcdef"


def test_what_the_registry_does_not_hold_is_one_clear_error(client, root):
    with pytest.raises(TrackingError, match=r"no version yet .*ferflow register.*--model models/model.keras"):
        _export()
    _register(client, root)
    with pytest.raises(TrackingError, match=r"no version is challenger.*--model models/model.keras"):
        _export("--model", "challenger")
    with pytest.raises(TrackingError, match=r"has no version '7', but 1; .*champion or challenger"):
        _export("--model", "7")
    assert not (root / "export").exists()


def test_a_version_that_was_scored_on_another_test_set_is_refused(client, root):
    _register(client, root, tags={names.TAG_TEST: "5" * 64})
    with pytest.raises(DataError, match=r"data/split/test.npz: its sha256 is .* version 1 was scored on 555"):
        _export()
    assert not (root / "export").exists()


def test_a_network_that_is_damaged_in_the_store_is_refused(client, root):
    _register(client, root)
    (stored,) = (root / "mlruns").rglob("model.keras")
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(TrackingError, match=r"version 1: its artifacts/model.keras has sha256"):
        _export()
    stored.unlink()
    with pytest.raises(TrackingError, match=r"version 1: the store holds no artifacts/model.keras"):
        _export()
    assert not (root / "export").exists()


@pytest.mark.slow
def test_a_project_that_was_moved_exports_its_champion(client, root, tmp_path, monkeypatch):
    run_id = _register(client, root)
    moved = tmp_path / "moved"
    root.rename(moved)
    # A process of its own: MLflow keeps in mind where it wrote a model.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run(moved, "export")
    assert read_description(moved / "export").run_id == run_id
    assert not root.exists()
