"""Tests of the stage evaluate, on a small network with random weights."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from ferflow.data.store import read_csv, write_arrays, write_csv
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, ModelError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model.calibration import (
    calibrated,
    choose_thresholds,
    coverage_curve,
    fit_temperature,
    scaled,
)
from ferflow.model.metrics import score
from ferflow.stages import evaluate

pytestmark = pytest.mark.usefixtures("coarse_figures")

SCORES = [
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "f1_macro",
    "auc_ovr_weighted",
    "auc_hard_ovr_weighted",
    "ece",
    "num_images",
]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("models") / "model.keras")


def write_network(path, *, seed=3):
    """Write a network that sees the mean of nine fields of the face."""
    from ferflow.model.backend import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1))
    values = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(1 / 64)(inputs))
    outputs = keras.layers.Dense(len(EMOTIONS), activation="softmax")(keras.layers.Flatten()(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    keras.Model(inputs, outputs).save(path)
    return path


def write_split(folder, *, num_images=120, classes=range(7), leaks=None):
    """Write a split with `num_images` test images; by default every tenth is leaked, exactly or nearly."""
    generator = np.random.default_rng(5)
    labels = np.resize(np.array(list(classes), np.uint8), num_images)
    levels = generator.integers(0, 256, (num_images, 3, 3))
    images = np.kron(levels, np.ones((16, 16), int)).astype(np.uint8)
    if leaks is None:
        leaks = np.resize(np.array(["exact", *["none"] * 9, "near", *["none"] * 9]), num_images)
    folder.mkdir(parents=True, exist_ok=True)
    # Validation images are the test images the other way round: 60 of them, of every class.
    chosen = np.arange(num_images)[::-1][:60] if num_images else np.zeros(0, int)
    write_arrays(folder / "val.npz", {"images": images[chosen], "labels": labels[chosen]})
    write_arrays(folder / "test.npz", {"images": images, "labels": labels, "leaked": leaks != "none"})
    names = np.array(EMOTIONS)[labels]
    write_csv(
        folder / "manifest.csv",
        {
            "file": ["train/a.jpg", *[f"test/{index}.jpg" for index in range(num_images)]],
            "label": ["happy", *names],
            "subset": ["train", *["test"] * num_images],
            "group": [str(index) for index in range(num_images + 1)],
            "leaked": ["none", *leaks],
        },
    )


@pytest.fixture
def run(sample_params, model_path, tmp_path):
    """Run the stage on the split of the folder; give the folder of the reports."""

    def start(**changes):
        params = sample_params.evaluate.model_copy(update=changes)
        reports = tmp_path / "reports"
        evaluate.run(params, split_dir=tmp_path / "split", model_path=model_path, reports_dir=reports)
        return reports

    return start


@pytest.fixture(scope="module")
def evaluated(sample_params, model_path, tmp_path_factory):
    """The folder of a run on 120 images: its split and its reports."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_split(folder / "split")
    evaluate.run(
        sample_params.evaluate,
        split_dir=folder / "split",
        model_path=model_path,
        reports_dir=folder / "reports",
    )
    return folder


def _read_predictions(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _scored(path):
    """Labels, probabilities and whether images are leaked, of a predictions.csv."""
    rows = _read_predictions(path)
    labels = np.array([EMOTIONS.index(row["label"]) for row in rows])
    probabilities = np.array([[float(row[f"p_{emotion}"]) for emotion in EMOTIONS] for row in rows])
    return labels, probabilities, np.array([row["leaked"] == "true" for row in rows])


def test_evaluate_writes_figures_predictions_plots_and_page(evaluated):
    reports = evaluated / "reports"
    metrics = json.loads((reports / "metrics.json").read_text())

    assert list(metrics) == [
        *SCORES,
        "temperature",
        "ece_calibrated",
        "abstention",
        "leak_free",
        "per_class",
    ]
    assert list(metrics["leak_free"]) == [*SCORES, "ece_calibrated", "abstention"]
    assert list(metrics["abstention"]) == ["aurc", "accuracy_at_coverage", "by_accuracy"]
    assert list(metrics["abstention"]["accuracy_at_coverage"]) == ["1.0", "0.9", "0.8", "0.7", "0.5"]
    assert list(metrics["abstention"]["by_accuracy"]) == ["0.7", "0.8", "0.9", "0.95"]
    assert metrics["abstention"]["accuracy_at_coverage"]["1.0"] == metrics["accuracy"]
    assert list(metrics["per_class"]) == list(EMOTIONS)
    assert list(metrics["per_class"]["sad"]) == ["precision", "recall", "f1", "support", "auc"]
    assert (metrics["num_images"], metrics["leak_free"]["num_images"]) == (120, 108)
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    assert sorted(path.name for path in (reports / "plots").iterdir()) == [
        "calibration.csv",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "coverage.csv",
        "coverage.png",
        "examples-dark.png",
        "examples.png",
        "per_class.png",
        "reliability.png",
        "roc.csv",
        "roc.png",
    ]
    assert "12 of 120 test images have a copy" in (reports / "report.html").read_text(encoding="utf-8")


def test_evaluate_figures_can_be_computed_again_from_the_predictions(evaluated):
    reports = evaluated / "reports"
    rows = _read_predictions(reports / "predictions.csv")
    labels, probabilities, leaked = _scored(reports / "predictions.csv")
    metrics = json.loads((reports / "metrics.json").read_text())

    assert [row["file"] for row in rows[:2]] == ["test/0.jpg", "test/1.jpg"]
    assert [row["predicted"] for row in rows] == [EMOTIONS[index] for index in probabilities.argmax(axis=1)]
    for figures, chosen in ((metrics, leaked | True), (metrics["leak_free"], ~leaked)):
        again = score(labels[chosen], probabilities[chosen], confidence_level=0.95, calibration_bins=15)
        assert {name: figures[name] for name in SCORES} == vars(again)


def _relabel(split, network):
    """Let the network be right on nine of ten validation images, and on two of three test images."""
    from ferflow.model.prediction import predict_probabilities

    with np.load(split / "test.npz") as content:
        test = dict(content)
    answers = predict_probabilities(network, test["images"], batch_size=64).argmax(axis=1)
    numbers = np.arange(len(answers))
    labels = ((answers + (numbers % 10 == 0)) % 7).astype(np.uint8)
    write_arrays(split / "val.npz", {"images": test["images"], "labels": labels})
    labels = ((answers + (numbers % 3 == 0)) % 7).astype(np.uint8)
    write_arrays(split / "test.npz", test | {"labels": labels})
    manifest = read_csv(split / "manifest.csv", ("file", "label"))
    manifest["label"][1:] = np.array(EMOTIONS)[labels]
    write_csv(split / "manifest.csv", manifest)


def test_evaluate_takes_temperature_and_thresholds_from_validation_and_figures_from_test(
    run, tmp_path, model_path
):
    """A network that is asked the other way round, in other batches, finds the same."""
    from ferflow.model.network import load_network
    from ferflow.model.prediction import predict_probabilities

    network = load_network(model_path)
    write_split(tmp_path / "split", num_images=240)
    _relabel(tmp_path / "split", network)
    reports = run()
    metrics = json.loads((reports / "metrics.json").read_text())
    validation = load_subset(tmp_path / "split" / "val.npz")
    answers = predict_probabilities(network, validation.images, batch_size=7).round(6)
    temperature = fit_temperature(validation.labels, answers)
    curve = coverage_curve(validation.labels, scaled(answers, temperature))
    thresholds = choose_thresholds(curve, confidence_level=0.95)
    labels, probabilities, leaked = _scored(reports / "predictions.csv")

    assert metrics["temperature"] == pytest.approx(temperature, abs=2e-4)
    assert metrics["temperature"] < fit_temperature(labels, probabilities) - 0.1
    assert thresholds["0.8"] == 0
    assert metrics["accuracy"] < 0.7
    for figures, rows in ((metrics, leaked | True), (metrics["leak_free"], ~leaked)):
        again = calibrated(
            labels[rows],
            probabilities[rows],
            temperature=metrics["temperature"],
            thresholds=thresholds,
            calibration_bins=15,
        )
        assert {name: figures[name] for name in ("ece_calibrated", "abstention")} == again.as_json()


def test_evaluate_without_validation_images_says_what_to_run(run, tmp_path):
    write_split(tmp_path / "split", num_images=14)
    (tmp_path / "split" / "val.npz").unlink()

    with pytest.raises(DataError, match=r"val\.npz: not found; run the stage"):
        run()
    assert not (tmp_path / "reports").exists()


def test_evaluate_twice_gives_the_same_bytes(evaluated, run, tmp_path):
    write_split(tmp_path / "split")
    first, second = evaluated / "reports", run()
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]

    assert len(files) == 15
    assert [name for name in files if (first / name).read_bytes() != (second / name).read_bytes()] == []


def test_evaluate_plot_tables_suit_dvc(evaluated):
    plots = evaluated / "reports" / "plots"
    confusions = _read_predictions(plots / "confusion_matrix.csv")
    curves = _read_predictions(plots / "roc.csv")
    bins = _read_predictions(plots / "calibration.csv")
    coverage = _read_predictions(plots / "coverage.csv")
    metrics = json.loads((evaluated / "reports" / "metrics.json").read_text())
    _, probabilities, _ = _scored(evaluated / "reports" / "predictions.csv")
    lowest = scaled(probabilities, metrics["temperature"]).max(axis=1).min()

    assert list(confusions[0]) == ["actual", "predicted"]
    assert len(confusions) == 120
    assert list(curves[0]) == ["class", "fpr", "tpr"]
    assert {row["class"] for row in curves} == {*EMOTIONS, "weighted"}
    assert sum(int(row["images"]) for row in bins) == 120
    assert coverage[-1] == {
        "coverage": "1.000000",
        "accuracy": f"{metrics['accuracy']:.6f}",
        "threshold": f"{lowest:.6f}",
    }


def test_evaluate_with_flip_gives_other_probabilities(evaluated, run, tmp_path):
    write_split(tmp_path / "split")
    plain = _read_predictions(evaluated / "reports" / "predictions.csv")
    flipped = _read_predictions(run(test_time_augmentation="flip") / "predictions.csv")

    assert [row["p_happy"] for row in plain] != [row["p_happy"] for row in flipped]


def test_evaluate_says_which_class_is_absent(run, tmp_path, capsys):
    write_split(tmp_path / "split", num_images=36, classes=[0, 2, 3, 4, 5, 6])
    metrics = json.loads((run() / "metrics.json").read_text())

    assert metrics["per_class"]["disgust"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "auc": None,
    }
    assert metrics["auc_ovr_weighted"] is not None
    assert "no test image of disgust" in capsys.readouterr().err


def test_evaluate_with_every_image_leaked_has_no_leak_free_figures(run, tmp_path, capsys):
    write_split(tmp_path / "split", num_images=14, leaks=np.full(14, "near"))
    leak_free = json.loads((run() / "metrics.json").read_text())["leak_free"]

    abstention = leak_free.pop("abstention")
    assert leak_free == {**dict.fromkeys(SCORES), "num_images": 0, "ece_calibrated": None}
    assert abstention["accuracy_at_coverage"]["0.9"] is None
    assert abstention["by_accuracy"]["0.9"]["accuracy"] is None
    said = capsys.readouterr().err
    assert "every test image is leaked" in said
    assert re.search(
        r"^scored 14 test images: \d+\.\d% right; 0 of them without a copy in train or val$", said, re.M
    )


def test_what_is_compared_first_is_a_short_table_with_the_headline_first(run, tmp_path):
    write_split(tmp_path / "split", num_images=36, classes=[0, 2, 3, 4, 5, 6])
    folder = run()
    scores, metrics = (json.loads((folder / name).read_text()) for name in ("scores.json", "metrics.json"))
    flat = [*(key for key in scores if key != "recall"), *(f"recall.{name}" for name in scores["recall"])]
    assert sorted(flat)[:2] == ["accuracy", "accuracy_leak_free"]  # As DVC sorts its rows.
    assert len(flat) <= 20
    assert scores["accuracy_leak_free"] == metrics["leak_free"]["accuracy"]
    assert scores["recall"]["happy"] == metrics["per_class"]["happy"]["recall"]


def test_evaluate_of_an_empty_test_subset_names_the_keys(run, tmp_path):
    write_split(tmp_path / "split", num_images=0)

    with pytest.raises(DataError, match=r"test\.npz: holds no image.*split\.scheme"):
        run()
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.full(14, 7, np.uint8)},
        {"labels": np.zeros(14, np.uint8)},
        {"labels": np.zeros(13, np.uint8)},
        {"leaked": np.zeros(14, np.uint8)},
        {"leaked": np.ones(14, bool)},
        {"images": np.zeros((14, 48, 48), np.float32)},
        {"images": np.zeros((14, 64, 64), np.uint8)},
    ],
    ids=["label 7", "other labels", "a label missing", "leaked as numbers", "other leaks", "floats", "64 px"],
)
def test_evaluate_of_a_split_that_does_not_fit_names_the_file(run, tmp_path, change):
    path = tmp_path / "split" / "test.npz"
    write_split(tmp_path / "split", num_images=14)
    with np.load(path) as content:
        arrays = dict(content)
    write_arrays(path, arrays | change)

    with pytest.raises(DataError, match=r"(test\.npz|manifest\.csv): .*run the split stage again"):
        run()
    assert not (tmp_path / "reports").exists()


def test_evaluate_without_a_model_says_what_to_run(sample_params, tmp_path):
    write_split(tmp_path / "split", num_images=14)

    with pytest.raises(ModelError, match=r"model\.keras: not found.*dvc repro"):
        evaluate.run(
            sample_params.evaluate,
            split_dir=tmp_path / "split",
            model_path=tmp_path / "model.keras",
            reports_dir=tmp_path / "reports",
        )
