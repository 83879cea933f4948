"""An exported network holds all its weights: one that names other files is refused before it is loaded."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS
from ferflow.serving.export_folder import Description, read_file


def _described(content: bytes) -> Description:
    files = {"model.onnx": hashlib.sha256(content).hexdigest()}
    rest = {"name": "m", "version": None, "run_id": None, "model_sha256": "", "temperature": None}
    look = {"image_size": 48, "test_time_augmentation": "none", "detector": "haar", "detector_sha256": None}
    return Description(**rest, **look, labels=EMOTIONS, files=files, checks={})


def _model(*, is_external: bool) -> bytes:
    weights = numpy_helper.from_array(np.ones(4, np.float32), "weights")
    if is_external:
        external_data_helper.set_external_data(weights, "secret.bin")
        weights.ClearField("raw_data")
    node = helper.make_node("Identity", ["weights"], ["out"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])
    graph = helper.make_graph([node], "graph", [], [out], [weights])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def test_a_network_that_names_another_file_is_refused(tmp_path):
    content = _model(is_external=True)
    (tmp_path / "model.onnx").write_bytes(content)
    assert onnx.load_from_string(content).graph.initializer[0].data_location == TensorProto.EXTERNAL
    with pytest.raises(ModelError, match=r"model.onnx: takes weights from other files"):
        read_file(tmp_path, "model.onnx", _described(content))


def test_the_length_of_the_key_may_be_written_at_length(tmp_path):
    content = _model(is_external=True).replace(b"\x0a\x08location", b"\x0a\x88\x80\x00location")
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="takes weights from other files"):
        read_file(tmp_path, "model.onnx", _described(content))


def test_a_network_that_holds_its_weights_is_read(tmp_path):
    content = _model(is_external=False)
    (tmp_path / "model.onnx").write_bytes(content)
    assert read_file(tmp_path, "model.onnx", _described(content)) == content
