"""A repository whose network is right but for labels that were flipped on purpose."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ferflow.data.store import pixel_hashes, write_arrays, write_csv
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from tests.conftest import REPOSITORY

NUM_OF = {"train": 48, "val": 60, "test": 160}
NUM_FLIPPED = 5  # The surest of the test images that are not leaked; flipped.csv names them.
NUM_LEAKED = 16


@pytest.fixture(scope="session")
def network():
    """A network that sees the mean of nine fields of the face."""
    from ferflow.model.backend import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(3)
    inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1))
    values = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(1 / 32)(inputs))
    outputs = keras.layers.Dense(len(EMOTIONS), activation="softmax")(keras.layers.Flatten()(values))
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="session")
def finished(network, tmp_path_factory) -> Path:
    """The folder of a run: split, model, filter's index and parameters; no predictions, no YuNet."""
    root = tmp_path_factory.mktemp("finished")
    generator = np.random.default_rng(5)
    number = sum(NUM_OF.values())
    levels = generator.integers(0, 256, (number, 3, 3))
    images = np.kron(levels, np.ones((16, 16), int)).astype(np.uint8)
    subsets = np.repeat(list(NUM_OF), list(NUM_OF.values()))
    probabilities = network.predict(images[..., np.newaxis], verbose=0)
    labels = probabilities.argmax(axis=1).astype(np.uint8)
    leaks = np.full(number, "none", "<U5")
    leaks[np.flatnonzero(subsets == "test")[5::10]] = "exact"
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")
    flipped = surest[(subsets[surest] == "test") & (leaks[surest] == "none")][:NUM_FLIPPED]
    # To a frequent class: confident learning leaves each class its last image.
    first, second = np.argsort(-np.bincount(labels, minlength=7))[:2]
    labels[flipped] = np.where(labels[flipped] == first, second, first)
    write_csv(root / "flipped.csv", {"file": [f"test/{row}.jpg" for row in flipped]})
    _write_split(root / "data" / "split", images, labels, subsets, leaks)
    (root / "models").mkdir()
    network.save(root / "models" / "model.keras")
    shutil.copyfile(REPOSITORY / "params.yaml", root / "params.yaml")
    return root


@pytest.fixture
def repository(finished, tmp_path) -> Path:
    """A copy of the finished run, to change."""
    return Path(shutil.copytree(finished, tmp_path / "repository"))


def _write_split(folder, images, labels, subsets, leaks):
    folder.mkdir(parents=True)
    for subset in NUM_OF:
        rows = subsets == subset
        arrays = {"images": images[rows], "labels": labels[rows]}
        if subset == "test":
            arrays["leaked"] = leaks[rows] != "none"
        write_arrays(folder / f"{subset}.npz", arrays)
    files = [f"{subset}/{row}.jpg" for row, subset in enumerate(subsets)]
    hashes = pixel_hashes(images)
    names = np.array(EMOTIONS)[labels]
    manifest = {"file": files, "label": names, "subset": subsets, "group": range(len(images))}
    write_csv(folder / "manifest.csv", {**manifest, "leaked": leaks, "sha256": hashes})
    scores = [f"{0.4 + 0.5 * (row % 8) / 8:.4f}" for row in range(len(images))]
    index = {"file": files, "label": names, "usage": subsets, "sha256": hashes, "face_score": scores}
    write_csv(folder.parent / "filtered" / "index.csv", index)
