"""`ferflow models`: what can answer here, and which one does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ferflow import paths
from ferflow.cli.app import app
from ferflow.errors import ModelError
from ferflow.serving.answering import DRAWN
from tests.serving.conftest import describe


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Run the command in an empty folder; gives its JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FERFLOW_OFFLINE", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str) -> dict:
        done = CliRunner().invoke(app, ["models", "--json", *arguments])
        if isinstance(done.exception, ModelError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


def test_the_built_in_network_answers_in_an_empty_folder_with_the_figures_of_its_card(models):
    found = models()
    (model,) = found["models"]
    figures = json.loads((paths.BUILT_IN / "export.json").read_text())["figures"]
    assert (model["answers"], model["source"], model["name"]) == (True, "built-in", "compact")
    assert model["accuracy"] == figures["accuracy"]
    assert model["leak_free_accuracy"] == figures["leak_free_accuracy"]
    assert "FERFLOW_OFFLINE is set" in found["detector"]


def test_the_model_that_answers_is_the_one_that_predict_takes(models, export_folder, tmp_path):
    shutil.copytree(export_folder, tmp_path / "export")
    shutil.copytree(export_folder, tmp_path / "other")
    describe(tmp_path / "other", version="7", trained_on=DRAWN, figures={"accuracy": 0.5})
    places = [model["place"] for model in models()["models"]]
    assert places == ["export", str(paths.BUILT_IN)]
    named = models("--export", "other")["models"]
    assert [model["place"] for model in named] == ["other", *places]
    assert [model["answers"] for model in named] == [True, False, False]
    assert (named[0]["accuracy"], named[0]["leak_free_accuracy"]) == (0.5, None)
    assert "knows nothing of people" in named[0]["warning"]


def test_the_table_says_the_same(models, export_folder, tmp_path):
    shutil.copytree(export_folder, tmp_path / "export")
    done = CliRunner().invoke(app, ["models"])
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["answers", "ferflow", "version", "3", "export", "-", "-", "-"]
    assert lines[2].split()[:2] == ["compact", "built-in"]
    assert lines[-1] == "face detector: OpenCV's Haar cascade, as the export says"


def test_a_damaged_export_is_listed_and_is_an_error_where_it_would_answer(models, export_folder, tmp_path):
    shutil.copytree(export_folder, tmp_path / "export")
    (tmp_path / "export" / "model.onnx").write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"model.onnx: damaged or another file"):
        models()
    found = models("--export", str(export_folder))["models"]
    assert [model["error"] is None for model in found] == [True, False, True]


def test_registered_versions_are_listed_with_the_figures_of_their_runs(models, monkeypatch, tmp_path):
    from ferflow.tracking import names
    from ferflow.tracking.store import client

    store = client(tmp_path)
    run = store.create_run(store.get_experiment_by_name(names.EXPERIMENT).experiment_id)
    store.log_metric(run.info.run_id, names.TEST_ACCURACY, 0.7)
    store.log_metric(run.info.run_id, names.LEAK_FREE_ACCURACY, 0.6)
    store.create_registered_model(names.REGISTERED_MODEL)
    version = store.create_model_version(names.REGISTERED_MODEL, str(tmp_path), run.info.run_id)
    store.set_registered_model_alias(names.REGISTERED_MODEL, names.CHAMPION, version.version)
    listed = models()["models"]
    assert [model["source"] for model in listed] == ["built-in", "registered"]
    assert (listed[1]["version"], listed[1]["alias"]) == ("1", "champion")
    assert (listed[1]["accuracy"], listed[1]["leak_free_accuracy"]) == (0.7, 0.6)


def test_a_version_that_the_gate_refused_is_not_called_challenger(models, tmp_path):
    from ferflow.tracking import names
    from ferflow.tracking.registry.gate import Outcome
    from ferflow.tracking.store import client

    store = client(tmp_path)
    store.create_registered_model(names.REGISTERED_MODEL)
    tags = {"gate.decision": Outcome.BELOW_FLOOR.value}
    version = store.create_model_version(names.REGISTERED_MODEL, str(tmp_path), tags=tags)
    store.set_registered_model_alias(names.REGISTERED_MODEL, names.CHALLENGER, version.version)
    assert models()["models"][1]["alias"] == "refused"


def test_a_store_that_cannot_be_used_hides_nothing_else(models, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://nowhere")
    found = models()
    assert len(found["models"]) == 1
    assert "expected http" in found["registry_error"]


def test_without_a_store_nothing_heavy_is_loaded(models, tmp_path):
    code = (
        "import sys; from ferflow.cli.app import app; app(['models'], standalone_mode=False);"
        "print(sorted({'mlflow', 'tensorflow', 'keras', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
