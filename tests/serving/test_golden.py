"""The same picture files get the same answer from everything that answers for a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import httpx
import mlflow
import numpy as np
import pytest

from ferflow import Predictor
from ferflow.data.images import decode_face
from ferflow.labels import EMOTIONS
from ferflow.model.export import write_onnx
from ferflow.model.network import build_network, load_network
from ferflow.model.prediction import predict_probabilities
from ferflow.model.saving import save_network
from ferflow.tracking.outbox.journal import Record
from ferflow.tracking.outbox.logged_model import calling, write_model
from tests.serving.browser import opened, read, shown
from tests.serving.conftest import describe
from tests.serving.pictures import drawn_faces, photo_of
from tests.serving.running import running

_VIEWS = "ten_crop"
# EXIF with orientation 6: turn by 90 degrees clockwise.
_TURNED = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


@pytest.fixture(scope="module")
def network(sample_params):
    """A small network of whose weights all are drawn, and its parameters."""
    params = sample_params.model.model_copy(update={"widths": [4, 8], "depths": [1, 1], "dense_units": 8})
    built = build_network(params)
    random = np.random.default_rng(5)
    for variable in built.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(random.normal(0, 0.2, variable.shape))
    return built, params


@pytest.fixture(scope="module")
def folder(network, sample_params, tmp_path_factory) -> Path:
    """The network as `.keras` file, as pyfunc and as export."""
    place = tmp_path_factory.mktemp("golden")
    save_network(*network, place / "model.keras")
    evaluate = sample_params.evaluate.model_copy(update={"test_time_augmentation": _VIEWS})
    record = Record("key", "name", model=calling(evaluate, "tensorflow"), model_sha256="ab" * 32)
    write_model(record, place / "model.keras", None, place / "pyfunc")
    (place / "export").mkdir()
    write_onnx(network[0], place / "export" / "model.onnx", test_time_augmentation=_VIEWS)
    describe(place / "export", test_time_augmentation=_VIEWS)
    return place


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """A crop of the data set, a colour photo that lies on its side, a wide bitmap, a grey JPEG."""
    place = tmp_path_factory.mktemp("golden-files")
    photo = photo_of([(40, 60, 144), (280, 150, 144)])
    colour = np.dstack([photo, photo // 2, 255 - photo])
    jpeg = cv2.imencode(".jpg", colour)[1].tobytes()
    contents = {
        "crop.png": cv2.imencode(".png", drawn_faces()[0])[1].tobytes(),
        "turned.jpg": jpeg[:2] + _TURNED + jpeg[2:],
        "wide.bmp": cv2.imencode(".bmp", colour[:100])[1].tobytes(),
        "grey.jpg": cv2.imencode(".jpg", drawn_faces()[1])[1].tobytes(),
    }
    for name, content in contents.items():
        (place / name).write_bytes(content)
    return [place / name for name in contents]


def _by_page(address: str, files: list[Path]) -> np.ndarray:
    complaints: list[str] = []
    answers = []
    with opened(address, complaints=complaints) as page:
        page.locator("#whole").check()
        for path in files:
            read(page, path, says="1 face found.")
            answers += [list(face.values()) for face in shown(page)]
    assert complaints == []
    return np.array(answers)


def _by_service(address: str, files: list[Path]) -> np.ndarray:
    answers = [
        httpx.post(f"{address}/predict?whole=true", content=path.read_bytes()).json()["faces"][0]
        for path in files
    ]
    return np.array([[answer["probabilities"][emotion] for emotion in EMOTIONS] for answer in answers])


def test_training_graph_saved_model_pyfunc_onnx_service_and_page_give_one_answer(network, folder, files):
    contents = [path.read_bytes() for path in files]
    faces = np.stack([decode_face(content, max_pixels=1_000_000) for content in contents])
    options = {"batch_size": 50, "test_time_augmentation": _VIEWS}
    pyfunc = mlflow.pyfunc.load_model(str(folder / "pyfunc"))
    predictor = Predictor(folder / "export")
    answers = {
        "training graph": predict_probabilities(network[0], faces, **options),
        "saved model": predict_probabilities(load_network(folder / "model.keras"), faces, **options),
        "pyfunc": pyfunc.predict(np.array(contents, dtype=object)).iloc[:, 1:].to_numpy(),
        "ONNX": np.stack([face.probabilities for face in predictor.whole_images(files)]),
    }
    with running([predictor], with_page=True) as address:
        answers["service"] = _by_service(address, files)
        answers["page"] = _by_page(address, files)
    expected = answers["training graph"]
    assert expected.std(axis=0).max() > 0.02  # The pictures are told apart.
    for name, found in answers.items():
        np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)
