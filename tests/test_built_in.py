"""The network that comes with ferflow: its files, its card and its figures belong together."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnxruntime
import pytest

from benchmarks.built_in_again import compare
from benchmarks.built_in_tables import DOCUMENTS, filled, tables_of
from ferflow.data.store import pixel_hashes, read_csv
from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS
from ferflow.model.network import build_network
from ferflow.params import load_params
from ferflow.paths import BUILT_IN
from ferflow.serving.export_folder import read_description
from ferflow.serving.predictor import Predictor
from tests.conftest import REPOSITORY
from tests.serving.conftest import write_tiny_network

_MOST_BYTES = 4_000_000


def _json(name: str) -> dict:
    return json.loads((BUILT_IN / name).read_text(encoding="utf-8"))


def test_every_file_is_the_one_that_export_json_names_and_all_are_small():
    description = read_description(BUILT_IN)
    held = {path.name: path for path in BUILT_IN.iterdir()}
    assert set(held) == {*description.files, "export.json"}
    for name, digest in description.files.items():
        assert hashlib.sha256(held[name].read_bytes()).hexdigest() == digest, name
    assert sum(path.stat().st_size for path in held.values()) < _MOST_BYTES


def test_description_card_and_documents_tell_the_figures_of_metrics_json():
    description, metrics = read_description(BUILT_IN), _json("metrics.json")
    figures = description.figures
    assert (figures["accuracy"], figures["num_images"]) == (metrics["accuracy"], metrics["num_images"])
    assert figures["leak_free_accuracy"] == metrics["leak_free"]["accuracy"]
    assert description.temperature == metrics["temperature"]
    by_views = description.checks["by_views"][description.test_time_augmentation]
    assert (by_views["test"], by_views["leak_free"]) == (
        metrics["accuracy"],
        metrics["leak_free"]["accuracy"],
    )
    card = (BUILT_IN / "model_card.md").read_text(encoding="utf-8")
    for part in (metrics, metrics["leak_free"]):
        assert f"{part['num_images']:,} | {100 * part['accuracy']:.1f} %" in card
    for emotion in EMOTIONS:
        recall = metrics["per_class"][emotion]["recall"]
        assert f"| {emotion} | {metrics['per_class'][emotion]['precision']:.3f} | {recall:.3f} |" in card
    for words in ("FER-2013 has terms of its own", "Fitted on Training", description.files["model.onnx"]):
        assert words in card
    tables = tables_of(BUILT_IN)
    for name in DOCUMENTS:
        if (REPOSITORY / name).is_file():
            text = (REPOSITORY / name).read_text(encoding="utf-8")
            assert filled(text, tables) == text, f"{name}: run python -m benchmarks.built_in"


def test_its_maps_are_had_without_the_ten_crops():
    session = onnxruntime.InferenceSession(
        BUILT_IN / "model.onnx", _silent(), providers=["CPUExecutionProvider"]
    )
    assert [entry.name for entry in session.get_overridable_initializers()] == ["rows"]


def _silent() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


def test_the_model_is_written_anew_only_where_no_answer_changes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    write_tiny_network(tmp_path / "tiny.onnx")
    tiny, packed = (tmp_path / "tiny.onnx").read_bytes(), (BUILT_IN / "model.onnx").read_bytes()
    compare(packed, packed, images)
    with pytest.raises(ModelError, match=r"probabilities of the new file differ .* benchmarks\.built_in"):
        compare(packed, tiny, images)


def test_the_packaged_form_was_compared_with_others_and_loses_nothing_that_counts():
    checks = read_description(BUILT_IN).checks
    reference, *others = checks["forms"]
    packed = next(form for form in others if form["form"] == checks["packaged"])
    assert reference["form"].startswith("float32")
    assert {form["form"] for form in others} >= {"float16", "int8, values between layers too"}
    # Answers of another model differ, if only in the last digits: it was not compared with itself.
    assert packed["max_difference"] > 0
    assert packed["other_answers"] / checks["images"] < 0.02
    # A standard error of such an accuracy is 0.0076.
    assert packed["accuracy"] > reference["accuracy"] - 0.0038
    assert packed["loss"] < reference["loss"] + 0.001
    whole = [form["bytes"] for form in (reference, *others) if form["form"].startswith("float")]
    assert packed["bytes"] < min(whole) / 1.9
    assert set(checks["by_views"]) == {"none", "flip", "ten_crop"}
    best = max(checks["by_views"], key=lambda views: checks["by_views"][views]["validation"])
    assert best == checks["views"]


def test_it_is_the_network_of_profile_compact():
    params, training = load_params(REPOSITORY / "profiles" / "compact.yaml"), _json("train.json")
    found = params.model_dump(mode="json")
    for section in ("model", "augment", "train"):
        # Keys that are newer than the network change no result.
        known = {key: found[section][key] for key in training["params"][section]}
        assert known == training["params"][section]
    assert found["seed"] == training["params"]["seed"]
    assert params.evaluate.test_time_augmentation == read_description(BUILT_IN).test_time_augmentation


def test_training_from_it_starts_with_what_answers():
    params = load_params(REPOSITORY / "profiles" / "compact.yaml").model
    network = build_network(params.model_copy(update={"weights": "compact", "dropout_head": 0.0}))
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), np.uint8)
    from ferflow.model.prediction import predict_probabilities

    views = read_description(BUILT_IN).test_time_augmentation
    answers = predict_probabilities(network, faces, batch_size=40, test_time_augmentation=views)
    np.testing.assert_allclose(answers, Predictor(BUILT_IN).predict_faces(faces), atol=1e-4)
    other = params.model_copy(update={"weights": "compact", "widths": [8, 16, 32, 64]})
    with pytest.raises(ModelError, match=r"model.widths is \[8, 16, 32, 64\], expected \[32, 64, 128, 256\]"):
        build_network(other)


@pytest.mark.real_data
@pytest.mark.slow
def test_private_test_through_the_packaged_network_has_the_figures_of_the_card(fer2013):
    """The figures are those of the noted answers; a tenth of them is answered anew: half a minute's work."""
    metrics = _json("metrics.json")
    noted = read_csv(BUILT_IN / "answers.csv", ("pixels", "predicted", "leaked"))
    rows = np.flatnonzero(fer2013["usage"] == "PrivateTest")
    hashes = [digest[:12] for digest in pixel_hashes(fer2013.images[rows]).tolist()]
    places = {}
    for row, digest in zip(rows.tolist(), hashes, strict=True):
        places.setdefault(digest, []).append(row)
    found = np.array([places[digest].pop(0) for digest in noted["pixels"].tolist()])
    right = fer2013["label"][found] == noted["predicted"]
    leaked = noted["leaked"] == "true"
    assert len(right) == metrics["num_images"] == 3577
    assert right.mean() == pytest.approx(metrics["accuracy"], abs=1e-6)
    assert right[~leaked].mean() == pytest.approx(metrics["leak_free"]["accuracy"], abs=1e-6)
    assert right.mean() >= 0.725
    assert right[~leaked].mean() >= 0.69

    images = np.ascontiguousarray(fer2013.images[found[::10]])
    answers = np.array(EMOTIONS)[Predictor(BUILT_IN).predict_faces(images).argmax(axis=1)]
    # Another processor adds up in another order: an answer between two equals may flip.
    assert (answers != noted["predicted"][::10]).sum() <= 2
