"""An export folder with a tiny network whose answers can be told beforehand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, checker, helper, numpy_helper
from typer.testing import CliRunner, Result

from ferflow.cli.app import app
from ferflow.errors import FerflowError
from ferflow.labels import EMOTIONS, IMAGE_SIZE

# The network looks at the mean of each of 3x3 tiles; each emotion likes and dislikes some of them.
TILES = 3
TASTES = np.random.default_rng(7).normal(size=(len(EMOTIONS), TILES * TILES)).astype(np.float32) / 40


def expected_probabilities(faces: np.ndarray) -> np.ndarray:
    """What the tiny network says of (N, 48, 48) uint8 faces, (N, 7), by numpy."""
    side = IMAGE_SIZE // TILES
    tiles = faces.reshape(-1, TILES, side, TILES, side).mean(axis=(2, 4)).reshape(-1, TILES * TILES)
    exponentials = np.exp((tiles - 128) @ TASTES.T.astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def expected_maps(faces: np.ndarray) -> np.ndarray:
    """The maps of the tiny network, (N, 7, 3, 3): what each tile adds to the logit of each emotion."""
    side = IMAGE_SIZE // TILES
    tiles = faces.reshape(-1, 1, TILES, side, TILES, side).mean(axis=(3, 5)) - 128
    return tiles * TASTES.reshape(1, len(EMOTIONS), TILES, TILES)


def write_tiny_network(path: Path) -> None:
    """Write the ONNX file: `images` (N, 48, 48) uint8 to `probabilities` and `maps`."""
    constants = {
        "axis": np.array([1], np.int64),
        "middle": np.array(128, np.float32),
        "tastes": TASTES.reshape(1, len(EMOTIONS), TILES, TILES),
        "places": np.array([2, 3], np.int64),
    }
    side = IMAGE_SIZE // TILES
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "axis"], ["channel"]),
        helper.make_node("AveragePool", ["channel"], ["tiles"], kernel_shape=[side] * 2, strides=[side] * 2),
        helper.make_node("Sub", ["tiles", "middle"], ["centred"]),
        helper.make_node("Mul", ["centred", "tastes"], ["maps"]),
        helper.make_node("ReduceSum", ["maps", "places"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", IMAGE_SIZE, IMAGE_SIZE])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(EMOTIONS)]),
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", len(EMOTIONS), TILES, TILES]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def describe(folder: Path, **changes: object) -> None:
    """Write `export.json` for the files that lie in the folder, with the given entries changed."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.onnx")}
    content: dict[str, object] = {
        "name": "ferflow",
        "version": "3",
        "run_id": "0123456789abcdef0123456789abcdef",
        "model_sha256": "5" * 64,
        "labels": list(EMOTIONS),
        "image_size": IMAGE_SIZE,
        "test_time_augmentation": "none",
        "temperature": 1.5,
        "detector": "yunet" if "detector.onnx" in digests else "haar",
        "detector_sha256": digests.get("detector.onnx"),
        "files": digests,
        "checks": {},
    }
    (folder / "export.json").write_text(json.dumps(content | changes), encoding="utf-8")


@pytest.fixture(scope="session")
def export_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the tiny network, with Haar cascades as detector; not to be changed."""
    folder = tmp_path_factory.mktemp("export")
    for name in ("model.onnx", "model.int8.onnx"):
        write_tiny_network(folder / name)
    (folder / "model_card.md").write_text("# ferflow 3\n\nA tiny network for tests.\n", encoding="utf-8")
    describe(folder)
    return folder


@pytest.fixture
def predict(export_folder):
    """Runs `ferflow predict` with the tiny network."""

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, ["predict", "--export", str(export_folder), *map(str, arguments)])
        if isinstance(result.exception, FerflowError):
            raise result.exception
        return result

    return run
