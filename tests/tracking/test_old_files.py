"""Files that commit bc61aba wrote are read by the code of today; `old_files/README.md` says how they came."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import cv2
import h5py
import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
from google.protobuf import text_format

from ferflow import Predictor
from ferflow.files import sha256_of
from ferflow.labels import EMOTIONS
from ferflow.model.checkpoint import CheckpointStore
from ferflow.model.network import load_network
from ferflow.params import load_params
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import KILLED, RUNNING, all_journals
from ferflow.tracking.outbox.sync import sync
from ferflow.tracking.registry.aliases import version_table
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registered import fetch_network, fetch_reports, find_version
from ferflow.tracking.registry.registry import register
from ferflow.tracking.store import experiment_id

_OLD = Path(__file__).parent / "old_files"
# Of different brightness.
_FACES = np.stack([np.full((48, 48), tone, np.uint8) for tone in (0, 60, 120, 180, 240)])
_RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)


def _filled(shape: list[int], kind: str, generator: np.random.Generator) -> np.ndarray:
    """Numbers in the place of weights, which are not kept; floats are positive, since some are variances."""
    if kind == "int8":
        return generator.integers(-40, 41, shape, dtype=np.int8)
    return generator.uniform(0.05, 0.4, shape).astype(kind)


def _write_network(path: Path) -> Path:
    """The `.keras` file of then, with other weights."""
    generator, weights = np.random.default_rng(1), io.BytesIO()
    with h5py.File(weights, "w") as file:
        for name, (shape, kind) in json.loads((_OLD / "network" / "weights.json").read_text()).items():
            file.create_dataset(name, data=_filled(shape, kind, generator))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "metadata.json"):
            archive.write(_OLD / "network" / name, name)
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def _write_graph(text: Path, path: Path) -> None:
    """An ONNX file of then, with other weights."""
    generator = np.random.default_rng(2)
    model = text_format.Parse(text.read_text(), onnx.ModelProto())
    kinds = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT8: "int8"}
    for entry in model.graph.initializer:
        if entry.data_type in kinds and not (entry.raw_data or entry.float_data or entry.int32_data):
            entry.raw_data = _filled(list(entry.dims), kinds[entry.data_type], generator).tobytes()
    path.write_bytes(model.SerializeToString())


def _check(probabilities: np.ndarray) -> None:
    assert probabilities.shape == (len(_FACES), len(EMOTIONS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.std(axis=0).max() > 0  # It answers for each face.


def test_the_parameters_are_read_as_they_were_meant():
    params = load_params(_OLD / "params.yaml")
    assert (params.profile, params.seed, params.model.widths) == ("sample", 20131, [4])
    assert (params.train.epochs, params.train.optimizer, params.train.teacher) == (4, "sgd", None)
    assert params.download.map == []


@pytest.fixture
def export(tmp_path) -> Path:
    """The export folder of then."""
    folder = tmp_path / "export"
    shutil.copytree(_OLD / "export", folder)
    for text in sorted(folder.glob("*.txt")):
        _write_graph(text, folder / text.stem)
        text.unlink()
    content = json.loads((folder / "export.json").read_text())
    content["files"] |= {path.name: sha256_of(path) for path in folder.glob("*.onnx")}
    (folder / "export.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_export_answers_and_is_explained(export, precision):
    predictor = Predictor(export, precision=precision)
    assert predictor.description.version == "1"
    probabilities, maps = predictor.explain_faces(_FACES)
    _check(probabilities)
    assert maps.shape == _FACES.shape


def test_a_journal_of_a_killed_run_is_closed_and_sent(embedded):
    shutil.copytree(_OLD / "killed" / "tracking", embedded / ".ferflow" / "tracking")
    (journal,) = all_journals(embedded)
    epochs = [value.step for value in journal.values() if "val_accuracy" in value.values]
    assert (journal.read().state, epochs) == (RUNNING, [1, 2])
    assert sync(embedded) == ([journal.key], {})
    assert journal.read().state == KILLED
    client = store.client(embedded)
    (run,) = client.search_runs([experiment_id(client)])
    assert (run.info.status, run.data.params["model.widths"]) == ("KILLED", "[4]")
    assert [entry.step for entry in client.get_metric_history(run.info.run_id, "val_accuracy")] == [1, 2]


def test_a_checkpoint_is_passed_over_and_stays(tmp_path):
    shutil.copytree(_OLD / "killed" / "checkpoints", tmp_path / "checkpoints")
    (generation,) = sorted((tmp_path / "checkpoints").glob("*/epoch-00002"))
    shapes = json.loads((generation / "arrays.json").read_text())
    generator = np.random.default_rng(4)
    arrays = {name: _filled(*entry, generator) for name, entry in shapes.items()}
    np.savez(generation / "arrays.npz", **arrays)
    state = json.loads((generation / "state.json").read_text())
    assert state["names"] == sorted(shapes)
    state["sha256"] = sha256_of(generation / "arrays.npz")
    (generation / "state.json").write_text(json.dumps(state))
    # It has no seal, so that training begins anew instead of going on with what nothing vouches for.
    assert CheckpointStore(tmp_path / "checkpoints", generation.parent.name).load() is None
    assert (generation / "arrays.npz").is_file()


@pytest.fixture
def repository(embedded) -> Path:
    """A repository with the store of then: a run, its model and its version, which is champion."""
    for source in sorted((_OLD / "mlruns").rglob("*")):
        if source.is_file():
            target = embedded / "mlruns" / source.relative_to(_OLD / "mlruns")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text().replace("@ROOT@", str(embedded)))
    tables = json.loads((_OLD / "store.json").read_text().replace("@ROOT@", str(embedded)))
    (model,) = (
        dict(zip(tables["logged_models"]["columns"], row, strict=True))
        for row in tables["logged_models"]["rows"]
    )
    place = Path(model["artifact_location"].removeprefix("file://"))
    network = _write_network(place / "artifacts" / "model.keras")
    with sqlite3.connect(embedded / store.DATABASE) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for name, table in tables.items():
            columns = ", ".join(f'"{column}"' for column in table["columns"])
            marks = ", ".join("?" * len(table["columns"]))
            database.execute(f'DELETE FROM "{name}"')  # noqa: S608 (names of this file's own)
            database.executemany(f'INSERT INTO "{name}" ({columns}) VALUES ({marks})', table["rows"])  # noqa: S608
        database.execute(
            "UPDATE logged_model_tags SET tag_value = ? WHERE tag_key = ?",
            (sha256_of(network), names.TAG_MODEL),
        )
    database.close()
    return embedded


@pytest.mark.slow
def test_a_registered_version_is_found_fetched_and_answers(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    client = store.client(repository)
    version = find_version(client, names.CHAMPION)
    assert version.number == "1"
    assert "champion" in version_table(client)
    network = load_network(fetch_network(client, version, tmp_path / "network"))
    _check(np.asarray(network(_FACES[..., None])))
    reports = fetch_reports(client, version.run, tmp_path / "reports")
    assert reports["metrics.json"] == json.loads(next(_OLD.rglob("metrics.json")).read_text())
    assert not register(client, version.run, _RULES).is_new

    champion = mlflow.pyfunc.load_model(f"models:/{names.REGISTERED_MODEL}@{names.CHAMPION}")
    answers: Any = champion.predict(_FACES)
    _check(answers.drop(columns="label").to_numpy())
    pictures = np.empty(len(_FACES), object)
    pictures[:] = [cv2.imencode(".png", face)[1].tobytes() for face in _FACES]
    pd.testing.assert_frame_equal(champion.predict(pictures), answers)
