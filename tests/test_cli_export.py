"""`ferflow export` of a file: what it writes, what it refuses, and that the old export stays then."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from ferflow import Predictor
from ferflow.cli.app import app
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, DetectorError, FerflowError, ModelError, OutputError, TrackingError
from ferflow.files import sha256_of
from ferflow.model import export as export_module
from ferflow.model.network import load_network
from ferflow.model.prediction import predict_probabilities
from ferflow.profiles import change_values
from ferflow.serving.export_folder import read_description
from tests.exports import VIEWS, write_scored_network

FILES = {"model.onnx", "model.int8.onnx", "export.json", "model_card.md"}
FROM_FILE = ("--model", "models/model.keras")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with a scored network and its export; not to be changed."""
    root = tmp_path_factory.mktemp("exported")
    write_scored_network(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        result = CliRunner().invoke(app, ["export", *FROM_FILE])
    assert result.exit_code == 0, result.output
    (root / "printed.txt").write_text(result.stdout, encoding="utf-8")
    return root


@pytest.fixture
def root(exported, tmp_path, monkeypatch):
    """A copy to change, which is the working folder."""
    folder = tmp_path / "repository"
    shutil.copytree(exported, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture
def converted(exported, monkeypatch):
    """Spare the conversion, which takes seconds: its files are those of the first export."""

    def convert(network, path, *, test_time_augmentation):
        shutil.copy(exported / "export" / "model.onnx", path)

    def quantise(source, path, images):
        shutil.copy(exported / "export" / "model.int8.onnx", path)

    monkeypatch.setattr(export_module, "write_onnx", convert)
    monkeypatch.setattr(export_module, "write_int8", quantise)


def _export(*arguments: str) -> None:
    """Run the command in this process; raise the error that it would print."""
    result = CliRunner().invoke(app, ["export", *arguments])
    if isinstance(result.exception, FerflowError):
        raise result.exception
    assert result.exit_code == 0, result.output


def _digests(folder) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.iterdir()}


def test_the_folder_holds_what_its_reader_expects(exported):
    folder = exported / "export"
    assert {path.name for path in folder.iterdir()} == FILES
    found = read_description(folder)
    assert (found.name, found.version, found.run_id) == ("ferflow", None, None)
    assert found.model_sha256 == sha256_of(exported / "models" / "model.keras")
    assert (found.test_time_augmentation, found.temperature, found.detector) == (VIEWS, 1.25, "haar")
    assert found.files == {name: digest for name, digest in _digests(folder).items() if name != "export.json"}
    assert found.checks["images"] == 120
    assert found.checks["float32"]["max_difference"] <= 1e-4
    assert found.checks["int8"]["max_difference"] > found.checks["float32"]["max_difference"]
    metrics = json.loads((exported / "reports" / "metrics.json").read_text())
    assert found.checks["keras_accuracy"] == found.checks["float32"]["accuracy"] == metrics["accuracy"]


def test_the_command_prints_the_figures_and_the_card(exported):
    printed = (exported / "printed.txt").read_text().splitlines()
    assert printed[0] == "export: ferflow (not registered)"
    assert printed[1].endswith("on 120 test images")
    assert "drawn faces" in (exported / "export" / printed[-1].split("/")[-1]).read_text()


def test_the_export_answers_as_keras_does(exported):
    images = load_subset(exported / "data" / "split" / "test.npz").images
    network = load_network(exported / "models" / "model.keras")
    expected = predict_probabilities(network, images, batch_size=64, test_time_augmentation=VIEWS)
    assert expected.std(axis=0).max() > 0.05
    answers = Predictor(exported / "export").predict_faces(images)
    np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_the_same_model_is_the_same_export(root, exported):
    _export(*FROM_FILE)
    assert _digests(root / "export") == _digests(exported / "export")


def test_a_file_without_reports_is_scored_by_its_check(root, exported, converted):
    metrics = json.loads((exported / "reports" / "metrics.json").read_text())
    (root / "reports" / "train.json").write_text('{"model_sha256": "other"}', encoding="utf-8")
    result = CliRunner().invoke(app, ["export", *FROM_FILE])
    assert result.exit_code == 0, result.output
    card = (root / "export" / "model_card.md").read_text(encoding="utf-8")
    assert "no evaluation of the model was at hand" in card
    assert f"| all | 120 | {100 * metrics['accuracy']:.1f} % |" in card
    assert read_description(root / "export").temperature is None
    assert "reports/ is not about models/model.keras" in result.stderr


def test_the_detector_goes_with_the_export_where_the_faces_were_found_by_it(root, exported, converted):
    report = json.loads((root / "reports" / "download.json").read_text())
    raw = root / "data" / "raw"
    raw.mkdir()
    (raw / "detector.onnx").write_bytes(b"a detector")
    digest = sha256_of(raw / "detector.onnx")
    (root / "reports" / "download.json").write_text(
        json.dumps({**report, "detector": "yunet", "detector_sha256": digest}), encoding="utf-8"
    )
    _export(*FROM_FILE)
    found = read_description(root / "export")
    assert (found.detector, found.detector_sha256) == ("yunet", digest)
    assert (root / "export" / "detector.onnx").read_bytes() == b"a detector"
    before = _digests(root / "export")
    (raw / "detector.onnx").write_bytes(b"another one")
    with pytest.raises(DetectorError, match=r"detector.onnx: has sha256 .* but the network's faces"):
        _export(*FROM_FILE)
    (raw / "detector.onnx").unlink()
    with pytest.raises(DetectorError, match=r"detector.onnx: not found.*dvc repro download"):
        _export(*FROM_FILE)
    assert _digests(root / "export") == before


def _stays(root, exported) -> None:
    """Nothing but the old export is there."""
    assert _digests(root / "export") == _digests(exported / "export")
    assert not list(root.glob("export.tmp-*"))


def test_probabilities_that_drift_are_refused_and_the_old_export_stays(root, exported, converted):
    change_values(root / "params.yaml", {"export.max_difference": 1e-12})
    with pytest.raises(ModelError, match=r"model.onnx: .*expected at most 1e-12 \(export.max_difference\)"):
        _export(*FROM_FILE)
    _stays(root, exported)


def test_an_int8_version_that_loses_accuracy_is_refused_and_the_old_export_stays(
    root, exported, converted, monkeypatch
):
    def quantise_badly(source, path, images):
        model = onnx.load(source)
        used = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
        for entry in model.graph.initializer:
            if entry.name in used:
                entry.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(entry), entry.name))
        onnx.save(model, path)

    monkeypatch.setattr(export_module, "write_int8", quantise_badly)
    with pytest.raises(ModelError, match=r"model.int8.onnx: its accuracy is .*export.max_accuracy_loss"):
        _export(*FROM_FILE)
    _stays(root, exported)


def test_figures_that_are_not_the_network_s_are_refused(root, exported, converted):
    path = root / "reports" / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "accuracy": metrics["accuracy"] - 0.2}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"metrics.json: says accuracy .* but the network has"):
        _export(*FROM_FILE)
    _stays(root, exported)


def test_another_test_set_is_refused(root, exported):
    path = root / "reports" / "predictions.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"its 119 images are not the 120 of data/split/test.npz"):
        _export(*FROM_FILE)
    _stays(root, exported)


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_the_old_export_and_the_next_one_sweeps_up(root, exported, converted):
    process = subprocess.Popen(
        [sys.executable, "-m", "ferflow", "export", *FROM_FILE],
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(root.glob("export.tmp-*/model.onnx")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(root.glob("export.tmp-*"))
    assert _digests(root / "export") == _digests(exported / "export")
    _export(*FROM_FILE)
    _stays(root, exported)


def _text_for_a_model(root) -> None:
    (root / "models" / "model.keras").write_text("no network", encoding="utf-8")


def _other_folder(root) -> None:
    (root / "mine").mkdir()
    (root / "mine" / "letter.txt").write_text("dear", encoding="utf-8")


def _no_split(root) -> None:
    (root / "data" / "split" / "test.npz").unlink()


@pytest.mark.parametrize(
    ("prepare", "arguments", "kind", "message"),
    [
        (None, ("--model", "other.keras"), ModelError, "other.keras: not found; train a model first"),
        (_text_for_a_model, FROM_FILE, ModelError, "models/model.keras: not a loadable Keras model"),
        (_no_split, FROM_FILE, DataError, "data/split/test.npz: not found"),
        (
            _other_folder,
            (*FROM_FILE, "--folder", "mine"),
            OutputError,
            "mine: is there and holds no export.json",
        ),
        (None, (*FROM_FILE, "--folder", "params.yaml"), OutputError, "params.yaml: is there"),
        (None, (), TrackingError, "ferflow register.*--model models/model.keras"),
    ],
)
def test_what_cannot_be_exported_is_one_clear_error(root, exported, prepare, arguments, kind, message):
    if prepare:
        prepare(root)
    with pytest.raises(kind, match=message):
        _export(*arguments)
    _stays(root, exported)
    assert not (root / "mine").exists() or (root / "mine" / "letter.txt").is_file()
