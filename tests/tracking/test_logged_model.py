"""The logged model: it loads where ferflow is not installed, takes both kinds of input, holds no pickle."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities
from ferflow.model.saving import save_network
from ferflow.params import ModelParams
from ferflow.tracking.outbox.journal import Record
from ferflow.tracking.outbox.logged_model import calling, name_in_store, write_model
from tests.conftest import REPOSITORY

# Loads a model with the installed ferflow out of reach, and prints what it answers and which one it used.
_ELSEWHERE = """
import sys
sys.path = [entry for entry in sys.path if not entry.endswith("src")]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(np.load(sys.argv[2]))
import ferflow
print(ferflow.__file__)
print(" ".join(f"{value:.9f}" for value in answers["p_happy"]))
"""


@pytest.fixture(scope="module")
def network(sample_params) -> tuple[object, ModelParams]:
    params = sample_params.model.model_copy(update={"widths": [4], "depths": [1]})
    return build_network(params), params


@pytest.fixture(scope="module")
def folder(network, sample_params, tmp_path_factory) -> Path:
    """A model with flip averaging, as it is sent."""
    place = tmp_path_factory.mktemp("logged")
    save_network(*network, place / "model.keras")
    evaluate = sample_params.evaluate.model_copy(update={"test_time_augmentation": "flip"})
    record = Record("key", "name", model=calling(evaluate, "tensorflow"), model_sha256="ab" * 32)
    write_model(record, place / "model.keras", None, place / "model")
    name_in_store(place / "model", model_id="m-1", run_id="r-1", location="file:///store")
    return place / "model"


@pytest.fixture(scope="module")
def loadable(folder: Path, tmp_path_factory) -> Path:
    """A copy: to load it leaves compiled code in it."""
    return shutil.copytree(folder, tmp_path_factory.mktemp("loadable") / "model")


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (5, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(network, faces) -> np.ndarray:
    return predict_probabilities(network[0], faces, batch_size=256, test_time_augmentation="flip")


def test_faces_and_image_files_give_the_probabilities_of_the_network(loadable: Path, faces, expected):
    model = mlflow.pyfunc.load_model(str(loadable))
    files = np.empty(len(faces), object)
    files[:] = [cv2.imencode(".png", face)[1].tobytes() for face in faces]
    for given in (faces, files):
        answers = model.predict(given)
        assert list(answers) == ["label", *(f"p_{emotion}" for emotion in EMOTIONS)]
        assert np.abs(answers.iloc[:, 1:].to_numpy() - expected).max() <= 1e-5
        assert answers["label"].tolist() == [EMOTIONS[index] for index in expected.argmax(axis=1)]


@pytest.mark.slow
def test_it_loads_where_ferflow_is_not_installed(loadable: Path, faces, expected, tmp_path: Path):
    np.save(tmp_path / "faces.npy", faces)
    command = [sys.executable, "-c", _ELSEWHERE, str(loadable), str(tmp_path / "faces.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    place, values = done.stdout.splitlines()[-2:]
    assert place == str(loadable / "code" / "ferflow" / "__init__.py")
    happy = expected[:, EMOTIONS.index("happy")]
    assert np.abs(np.array(values.split(), float) - happy).max() <= 1e-5


def test_what_is_no_face_is_refused_with_what_was_found(loadable: Path, faces):
    model = mlflow.pyfunc.load_model(str(loadable))
    with pytest.raises(ModelError, match=r"uint8 \(5, 40, 48\), expected uint8 \(N, 48, 48\)"):
        model.predict(faces[:, :40])
    broken = np.empty(1, object)
    broken[0] = b"no image"
    with pytest.raises(ModelError, match=r"an image file .*; give JPEG, PNG or BMP"):
        model.predict(broken)


def test_it_holds_no_pickle_and_no_place_on_this_machine(folder: Path):
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert suffixes == {".py", ".keras", ".json", ".yaml", ".txt", ""}
    assert [path.name for path in folder.rglob("*") if path.is_file() and not path.suffix] == ["MLmodel"]
    described = (folder / "MLmodel").read_text()
    assert str(REPOSITORY) not in described
    assert str(folder.parent) not in described
    assert "model_id: m-1" in described


def test_its_requirements_are_pinned(folder: Path):
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert f"keras=={importlib.metadata.version('keras')}" in lines
    assert f"tensorflow=={importlib.metadata.version('tensorflow')}" in lines
    assert all("==" in line for line in lines)


def test_signature_and_input_example_are_there(folder: Path):
    model = mlflow.models.Model.load(str(folder))
    (spec,) = model.signature.inputs
    assert (spec.type, spec.shape) == (np.dtype(np.uint8), (-1, -1, -1))
    assert model.signature.outputs.input_names()[0] == "label"
    example = model.load_input_example(str(folder))
    assert np.asarray(example, np.uint8).shape[1:] == (48, 48)


def test_no_more_of_ferflow_travels_than_it_imports(folder: Path):
    names = {str(path.relative_to(folder / "code" / "ferflow")) for path in (folder / "code").rglob("*.py")}
    assert {"__init__.py", "data/images.py", "model/network.py", "model/views.py", "params/whole.py"} <= names
    assert not {name for name in names if name.startswith(("stages", "tracking", "reporting", "cli"))}
