"""The recipe study: what it keeps, what it scores, and that it goes on where it was stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.recipes import Study, plot_study, table
from ferflow.data.store import write_arrays, write_csv

_RECIPES = {
    "start": {"model.weights": None, "model.unfreeze_layers": "all", "model.stem": "stride2"},
    "sizes": {
        "test": {
            "model.backbone": "resnet_v2",
            "model.widths": [4],
            "model.depths": [1],
            "model.image_size": 48,
            "model.dense_units": 4,
            "train.epochs": 1,
            "train.batch_size": 16,
        }
    },
    # The first one changes nothing, so its accuracy is that of the start, and it is dropped.
    "steps": [
        {"name": "the same", "set": {"model.stem": "stride2"}},
        {"name": "average pooling", "set": {"model.pooling": "average", "train.learning_rate": 0.01}},
    ],
}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Bars whose height tells the label; every second test image is PrivateTest, every fifth leaked."""
    folder = tmp_path_factory.mktemp("split")
    rows = {"file": [], "subset": [], "leaked": []}
    for subset, number in (("train", 64), ("val", 28), ("test", 40)):
        labels = (np.arange(number) % 7).astype(np.uint8)
        images = np.random.default_rng(number).integers(0, 60, (number, 48, 48), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[6 * label : 6 * label + 6] += 180
        leaked = (np.arange(number) % 5 == 0) & (subset == "test")
        arrays = {"images": images, "labels": labels}
        write_arrays(folder / f"{subset}.npz", arrays | ({"leaked": leaked} if subset == "test" else {}))
        for row in range(number):
            usage = ("PublicTest", "PrivateTest")[row % 2] if subset == "test" else "Training"
            rows["file"].append(f"{usage}_{row}.jpg")
            rows["subset"].append(subset)
            rows["leaked"].append("exact" if leaked[row] else "none")
    write_csv(folder / "manifest.csv", rows)
    return folder


@pytest.mark.slow
def test_a_study_keeps_what_helps_scores_once_and_goes_on(split, tmp_path, capfd):
    study = Study(split, tmp_path, _RECIPES, size="test")
    result = study.run(num_seeds=1)

    first, same, pooled = result["steps"]
    assert first["kept"]
    assert (same["val_accuracy"], same["kept"]) == (first["val_accuracy"], False)
    assert pooled["kept"] == (pooled["val_accuracy"] > first["val_accuracy"])
    assert ("model.pooling" in result["last"]["settings"]) == pooled["kept"]

    scores = result["first"]["runs"][0]
    assert scores["validation"][scores["views"]] == max(scores["validation"].values())
    assert set(scores["test"]) == {
        f"{kind}{subset}"
        for kind in ("single", "averaged")
        for subset in ("", " leak-free", " PrivateTest", " PrivateTest leak-free")
    }
    # Whole numbers of images: 40, of which 8 are leaked, 20 are of PrivateTest, 4 both.
    for subset, number in {
        "": 40,
        " leak-free": 32,
        " PrivateTest": 20,
        " PrivateTest leak-free": 16,
    }.items():
        hits = scores["test"][f"single{subset}"] * number
        assert hits == pytest.approx(round(hits), abs=1e-3)
    assert len(scores["history"]["epoch"]) == 1

    # Stopped after its first run and started again: only the lost run is trained, with the same end.
    reports = sorted(tmp_path.glob("runs/*/reports/train.json"))
    written = {path: path.stat().st_mtime_ns for path in reports}
    lost = reports[-1]
    lost.unlink()
    capfd.readouterr()
    assert json.dumps(study.run(num_seeds=1)) == json.dumps(result)
    assert {path for path in reports if path.stat().st_mtime_ns != written[path]} == {lost}

    text = table(result)
    assert "| the same |" in text
    assert "| single PrivateTest leak-free |" in text
    plot_study(result, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
