"""Networks as ONNX: what they answer, and that the same network is the same file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from ferflow.explain.gradcam import explained
from ferflow.labels import EMOTIONS
from ferflow.model.export import ROWS, write_int8, write_onnx
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities
from ferflow.params import load_params
from ferflow.serving.export_folder import read_description
from ferflow.serving.network import Network
from tests.conftest import REPOSITORY
from tests.serving.conftest import describe

VIEWS = ("none", "flip", "ten_crop", "whole_and_ten_crop")


@pytest.fixture(scope="module")
def network():
    """A small untrained network, of whose weights all are drawn."""
    params = load_params(REPOSITORY / "params.yaml").model.model_copy(
        update={"widths": [4, 8], "depths": [1, 1], "dense_units": 8, "dropout_head": 0.2}
    )
    keras.utils.set_random_seed(3)
    built = build_network(params)
    random = np.random.default_rng(5)
    for variable in built.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(random.normal(0, 0.2, variable.shape))
    return built


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """The network as ONNX with each kind of views: kind to path."""
    folder = tmp_path_factory.mktemp("onnx")
    for kind in VIEWS:
        write_onnx(network, folder / f"{kind}.onnx", test_time_augmentation=kind)
    return {kind: folder / f"{kind}.onnx" for kind in VIEWS}


def _run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "maps"], {"images": images})


@pytest.mark.parametrize("kind", VIEWS)
def test_a_file_answers_as_keras_does_for_any_number_of_images(exported, network, bars, kind):
    images = bars[0][:5]
    expected = predict_probabilities(network, images, batch_size=50, test_time_augmentation=kind)
    maps = np.asarray(explained(network).predict_on_batch(images[..., None])[1])
    assert expected.std(axis=0).max() > 0.01
    for number in (1, 5):
        answers = _run(exported[kind], images[:number])
        np.testing.assert_allclose(answers[0], expected[:number], atol=1e-5)
        np.testing.assert_allclose(answers[1], maps[:number], atol=1e-5 * np.abs(maps).max())


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_maps_and_answers_of_ten_crops_are_had_one_without_the_other(exported, bars, tmp_path, capfd, form):
    path, images = exported["ten_crop"], bars[0][:5]
    if form == "int8":
        write_int8(path, tmp_path / "int8.onnx", bars[0][:32])
        path = tmp_path / "int8.onnx"
        assert capfd.readouterr().err == ""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["images"]
    answers, maps = session.run(["probabilities", "maps"], {"images": images})
    for rows, given in (((0, 5), (0, len(EMOTIONS))), ((5, 2**31 - 1), answers.shape)):
        few = {"images": images, ROWS: np.array(rows, np.int32)}
        assert session.run(["probabilities"], few)[0].shape == given
    np.testing.assert_array_equal(session.run(["probabilities"], few)[0], answers)
    few[ROWS] = np.array((0, 5), np.int32)
    np.testing.assert_array_equal(session.run(["maps"], few)[0], maps)


def test_maps_are_asked_for_without_the_crops_and_answers_without_the_plain_view(exported, bars, tmp_path):
    shutil.copy(exported["ten_crop"], tmp_path / "model.onnx")
    describe(tmp_path, test_time_augmentation="ten_crop")
    network = Network(tmp_path, read_description(tmp_path), precision="float32", threads=1)
    asked = []
    session = network._session

    class Recorded:
        def run(self, outputs, inputs):
            asked.append((outputs, inputs[ROWS].tolist()))
            return session.run(outputs, inputs)

    network._session = Recorded()
    images = {"images": bars[0][:3]}
    np.testing.assert_array_equal(network.maps(images["images"]), session.run(["maps"], images)[0])
    np.testing.assert_array_equal(
        network.predict(images["images"]), session.run(["probabilities"], images)[0]
    )
    assert asked == [(["maps"], [0, 3]), (["probabilities"], [3, 2**31 - 1])]


def test_a_file_says_what_it_takes_and_gives(exported):
    model = onnx.load(exported["ten_crop"])
    onnx.checker.check_model(model, full_check=True)
    entries = {
        entry.name: [part.dim_param or part.dim_value for part in entry.type.tensor_type.shape.dim]
        for entry in (*model.graph.input, *model.graph.output)
    }
    assert entries["images"] == ["N", 48, 48]
    assert entries["probabilities"] == ["N", len(EMOTIONS)]
    assert entries["maps"][:2] == ["N", len(EMOTIONS)]
    assert all(isinstance(side, int) and side > 0 for side in entries["maps"][2:])
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 17


# Builds the network of the fixture out of a file, after `number` others, and prints what the files are.
_EXPORT_AGAIN = """
import hashlib, sys
from pathlib import Path
from ferflow.model.export import write_int8, write_onnx
from ferflow.model.network import load_network
import keras, numpy as np
source, folder, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for _ in range(number):
    keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(3)]).build((None, 4))
images = np.random.default_rng(0).integers(0, 256, (16, 48, 48), np.uint8)
float32, int8 = folder / "model.onnx", folder / "int8.onnx"
write_onnx(load_network(source), float32, test_time_augmentation="ten_crop")
write_int8(float32, int8, images)
for path in (float32, int8):
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_network_is_the_same_file_whatever_was_built_before(exported, network, tmp_path):
    expected = exported["ten_crop"].read_bytes()
    for _ in range(6):
        keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(3)]).build((None, 4))
        write_onnx(network, tmp_path / "again.onnx", test_time_augmentation="ten_crop")
        assert (tmp_path / "again.onnx").read_bytes() == expected


@pytest.mark.slow
def test_the_same_network_is_the_same_files_in_every_process(exported, network, tmp_path):
    network.save(tmp_path / "network.keras")
    found = []
    for number, seed in enumerate(("0", "1", "4711", "random")):
        folder = tmp_path / seed
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _EXPORT_AGAIN, tmp_path / "network.keras", folder, str(number)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found == found[:1] * 4
    assert found[0][0] == hashlib.sha256(exported["ten_crop"].read_bytes()).hexdigest()


def test_the_int8_file_is_smaller_in_its_convolutions_and_answers_nearly_alike(
    exported, bars, tmp_path, capfd
):
    images = bars[0]
    for name in ("int8.onnx", "again.onnx"):
        write_int8(exported["flip"], tmp_path / name, images[::2])
    assert (tmp_path / "int8.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()
    assert capfd.readouterr() == ("", "")

    model = onnx.load(tmp_path / "int8.onnx")
    entries = {entry.name: entry for entry in model.graph.initializer}
    made_by = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        values, weights = (made_by[name] for name in node.input[:2])
        assert values.op_type == weights.op_type == "DequantizeLinear"
        assert entries[weights.input[0]].data_type == onnx.TensorProto.INT8
        assert numpy_helper.to_array(entries[weights.input[1]]).size > 1  # A scale for each channel.

    whole, small = (_run(path, images) for path in (exported["flip"], tmp_path / "int8.onnx"))
    differences = np.abs(whole[0] - small[0])
    assert 0 < differences.mean() < whole[0].std(axis=0).mean() / 2
    assert np.corrcoef(whole[1].ravel(), small[1].ravel())[0, 1] > 0.95


def test_on_another_backend_the_error_names_the_cure(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from ferflow.errors import ModelError\n"
        "from ferflow.model.export import write_onnx\n"
        "try:\n    write_onnx(None, Path('model.onnx'), test_time_augmentation='none')\n"
        "except ModelError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"KERAS_BACKEND": "jax", "PATH": "/usr/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the Keras backend is jax" in done.stdout, done.stderr
    assert "KERAS_BACKEND=tensorflow" in done.stdout
    assert not (tmp_path / "model.onnx").exists()
