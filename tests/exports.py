"""A repository's folder with a tiny network that was scored, for tests of its export."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ferflow.data.store import read_arrays, read_csv, write_arrays, write_csv
from ferflow.files import sha256_of
from ferflow.labels import EMOTIONS
from ferflow.model.metrics import score, score_classes
from ferflow.model.network import build_network, load_network
from ferflow.model.prediction import predict_probabilities
from ferflow.model.saving import save_network
from ferflow.params import load_params
from ferflow.profiles import write_profile
from ferflow.stages.evaluate import load_test
from tests.conftest import REPOSITORY
from tests.stages.test_evaluate import write_split

VIEWS = "flip"
CHANGES = (
    "model.widths=[4,8]",
    "model.depths=[1,1]",
    f"evaluate.test_time_augmentation={VIEWS}",
    "export.max_accuracy_loss=0.1",  # Of 120 images, by a network that hardly tells them apart.
)


def write_scored_network(root: Path) -> None:
    """Write parameters, split, `models/model.keras` and the reports that an export reads."""
    write_profile("sample", CHANGES, profiles=REPOSITORY / "profiles", target=root / "params.yaml")
    params = load_params(root / "params.yaml")
    keras.utils.set_random_seed(7)
    network = build_network(params.model)
    random = np.random.default_rng(2)
    for variable in network.variables:
        if variable.name not in ("moving_variance", "gamma") and variable.dtype == "float32":
            variable.assign(random.normal(0, 0.3, variable.shape))
    write_split(root / "data" / "split")
    _standardise(network, read_arrays(root / "data" / "split" / "test.npz", ("images",))["images"])
    (root / "models").mkdir()
    save_network(network, params.model, root / "models" / "model.keras")
    _label_by_answers(root)
    write_reports(root)


def _standardise(network: Any, images: np.ndarray) -> None:
    """Have the head see features of mean 0 and variance 1, so that it calls no two images alike."""
    norm = network.get_layer("features_bn")
    features = np.asarray(keras.Model(network.input, norm.input).predict_on_batch(images[..., None]))
    pooled = features.mean(axis=(1, 2))
    norm.moving_mean.assign(pooled.mean(axis=0))
    norm.moving_variance.assign(pooled.var(axis=0))
    network.get_layer("logits").bias.assign(np.zeros(len(EMOTIONS)))
    norm.beta.assign(np.zeros(pooled.shape[1]))


def _answers(root: Path, images: np.ndarray) -> np.ndarray:
    network = load_network(root / "models" / "model.keras")
    return predict_probabilities(network, images, batch_size=64, test_time_augmentation=VIEWS).round(6)


def _label_by_answers(root: Path) -> None:
    """Label the test images so that the network has four of five right."""
    split = root / "data" / "split"
    arrays = read_arrays(split / "test.npz", ("images", "labels", "leaked"))
    answers = _answers(root, arrays["images"]).argmax(axis=1)
    wrong = np.arange(len(answers)) % 5 == 4
    labels = np.where(wrong, (answers + 1) % len(EMOTIONS), answers).astype(np.uint8)
    write_arrays(split / "test.npz", {**arrays, "labels": labels})
    manifest = read_csv(split / "manifest.csv", ("file", "label", "subset", "group", "leaked"))
    manifest["label"][manifest["subset"] == "test"] = np.array(EMOTIONS)[labels]
    write_csv(split / "manifest.csv", manifest)


def write_reports(root: Path) -> None:
    """Write `metrics.json`, `train.json`, `download.json` and `predictions.csv` as the stages would."""
    reports, path = root / "reports", root / "models" / "model.keras"
    reports.mkdir(exist_ok=True)
    test = load_test(root / "data" / "split")
    answers = _answers(root, test.images)
    every, unseen = (
        score(test.labels[rows], answers[rows], confidence_level=0.95, calibration_bins=15)
        for rows in (np.full(len(answers), True), ~test.leaked)
    )
    classes = score_classes(test.labels, answers)
    contents = {
        "metrics": {
            **asdict(every),
            "temperature": 1.25,
            "leak_free": asdict(unseen),
            "per_class": {name: asdict(entry) for name, entry in classes.items()},
        },
        "train": {
            "model_sha256": sha256_of(path),
            "backend": "keras 3 tensorflow 2",
            "num_training": 700,
            "num_validation": 60,
            "parameters": {"total": 1234},
            "epochs_run": 9,
            "best_epoch": 8,
            "params": {"model": {"backbone": "resnet_v2", "weights": None, "image_size": 48}},
        },
        "download": {
            "source": "sample",
            "num_images": 900,
            "images": {},
            "detector": "haar",
            "detector_sha256": None,
        },
    }
    for name, content in contents.items():
        (reports / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    names = np.array(EMOTIONS)
    columns = {
        "file": test.files,
        "label": names[test.labels],
        "predicted": names[answers.argmax(axis=1)],
        "leaked": np.where(test.leaked, "true", "false"),
    }
    columns |= {f"p_{name}": np.char.mod("%.6f", answers[:, index]) for index, name in enumerate(EMOTIONS)}
    write_csv(reports / "predictions.csv", columns)
