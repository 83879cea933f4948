"""Where the network computes: what is offered, what is chosen, and what an absent device says."""

from __future__ import annotations

import onnxruntime
import pytest
from typer.testing import CliRunner

from ferflow import Predictor
from ferflow.cli.app import app
from ferflow.errors import ModelError
from ferflow.serving.devices import candidates, providers_of
from tests.data.pictures import draw_pictures
from tests.serving.pictures import photo_of, write_photo

_ALL = [
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "CoreMLExecutionProvider",
    "DmlExecutionProvider",
    "OpenVINOExecutionProvider",
    "AzureExecutionProvider",
    "CPUExecutionProvider",
]


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["CPUExecutionProvider"], ["cpu"]),
        (["AzureExecutionProvider", "CPUExecutionProvider"], ["cpu"]),
        (["CoreMLExecutionProvider", "CPUExecutionProvider"], ["cpu"]),
        (["OpenVINOExecutionProvider", "CPUExecutionProvider"], ["openvino", "cpu"]),
        (_ALL, ["cuda", "directml", "openvino", "cpu"]),
    ],
)
def test_auto_tries_what_is_offered_and_the_processor_last(offered, expected):
    assert candidates("auto", offered) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda", "coreml", "directml", "openvino"])
def test_a_device_that_is_named_is_the_only_one_tried(device):
    assert candidates(device, _ALL) == [device]
    assert providers_of(device)[0] in _ALL
    assert providers_of(device)[-1] == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("device", "package"),
    [
        ("cuda", "onnxruntime-gpu"),
        ("coreml", "on macOS"),
        ("directml", "onnxruntime-directml"),
        ("openvino", "onnxruntime-openvino"),
    ],
)
def test_a_device_that_is_not_offered_names_the_package(export_folder, device, package):
    if len(candidates("auto", onnxruntime.get_available_providers())) > 1:
        pytest.skip("this environment's ONNX Runtime offers more than the processor")
    with pytest.raises(ModelError, match=f"device {device}: .*offers cpu.*{package}.*--device cpu"):
        Predictor(export_folder, device=device)


def test_an_unknown_device_is_refused(export_folder):
    with pytest.raises(ModelError, match="device is 'tpu', expected one of auto, cpu, cuda"):
        Predictor(export_folder, device="tpu")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_device_without_its_driver_is_one_error_or_the_processor(export_folder, monkeypatch):
    """ONNX Runtime says that it offers CUDA and then has none, as its GPU package does without a driver."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: _ALL)
    with pytest.raises(ModelError, match=r"device cuda: cannot be started.*driver.*--device cpu"):
        Predictor(export_folder, device="cuda")
    predictor = Predictor(export_folder, device="auto")
    assert predictor.device == "cpu"
    assert predictor.predict_faces(draw_pictures(2)).shape == (2, 7)


@pytest.mark.parametrize("command", ["serve", "app"])
def test_the_service_takes_a_device(export_folder, command):
    result = CliRunner().invoke(
        app, [command, "--export", str(export_folder), "--device", "cuda", "--port", "0"]
    )
    assert isinstance(result.exception, ModelError)
    assert "onnxruntime-gpu" in str(result.exception)


def test_predict_takes_a_device(export_folder, tmp_path):
    path = write_photo(tmp_path / "photo.png", photo_of([(40, 60, 144)]))
    arguments = ["predict", str(path), "--export", str(export_folder), "--json", "--device"]
    answers = [CliRunner().invoke(app, [*arguments, device]) for device in ("cpu", "auto")]
    assert [answer.exit_code for answer in answers] == [0, 0]
    assert answers[0].stdout == answers[1].stdout
