"""Which model answers, and that every answer says so."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import ModelError
from ferflow.paths import BUILT_IN
from ferflow.serving.answering import DRAWN, choose_model
from ferflow.serving.predictor import Predictor
from tests.serving.conftest import describe


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to work in, with a picture."""
    monkeypatch.chdir(tmp_path)
    picture = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
    cv2.imwrite("face.png", picture)
    return tmp_path


@pytest.fixture
def drawn_export(export_folder, tmp_path):
    """An export of a model of drawn faces."""
    folder = tmp_path / "drawn"
    shutil.copytree(export_folder, folder)
    describe(folder, trained_on=DRAWN)
    return folder


def test_the_named_folder_comes_first_then_export_then_the_built_in(workplace, export_folder):
    assert choose_model().folder == BUILT_IN
    (workplace / "export").mkdir()
    assert choose_model().is_built_in  # A folder without export.json is no export.
    shutil.copytree(export_folder, workplace / "export", dirs_exist_ok=True)
    assert str(choose_model().folder) == "export"
    assert choose_model(export_folder).folder == export_folder
    with pytest.raises(ModelError, match=r"absent.export.json: not found"):
        choose_model("absent")


def test_a_damaged_export_is_an_error_and_no_reason_to_take_another(workplace):
    (workplace / "export").mkdir()
    (workplace / "export" / "export.json").write_text("{")
    with pytest.raises(ModelError, match=r"export.json: damaged"):
        choose_model()


def test_predictor_without_argument_answers(workplace):
    predictor = Predictor()
    assert predictor.model.is_built_in
    faces = np.random.default_rng(2).integers(0, 256, (3, 48, 48), np.uint8)
    answers = predictor.predict_faces(faces)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert predictor.description.name == "compact"


def test_predict_says_which_model_answered(workplace, drawn_export):
    done = CliRunner().invoke(app, ["predict", "face.png", "--whole", "--json"])
    assert done.exit_code == 0, done.output
    assert "model: the built-in network compact" in done.stderr
    model = json.loads(done.stdout)["model"]
    assert (model["source"], model["name"], model["warning"]) == ("built-in", "compact", None)
    assert model["trained_on"] == "FER-2013"


def test_a_model_of_drawn_faces_says_so_in_the_terminal_in_json_and_on_the_picture(workplace, drawn_export):
    arguments = ["predict", "face.png", "--whole", "--json", "--export", str(drawn_export), "--annotate"]
    done = CliRunner().invoke(app, [*arguments, "out"])
    assert done.exit_code == 0, done.output
    assert "knows nothing of people" in done.stderr
    assert "knows nothing of people" in json.loads(done.stdout)["model"]["warning"]
    describe(drawn_export, trained_on="FER-2013")
    CliRunner().invoke(app, [*arguments, "plain"])
    marked, plain = (cv2.imread(f"{folder}/face.png") for folder in ("out", "plain"))
    differing = np.flatnonzero((marked != plain).any(axis=(1, 2)))
    assert differing.size
    assert differing.min() > 0.85 * len(plain)  # Along the lower edge.


def test_an_export_of_an_earlier_version_says_nothing_of_its_images(export_folder):
    model = choose_model(export_folder)
    assert model.description.trained_on is None
    assert model.warning is None
