"""FER+ the whole way: from a table and its votes to votes as targets and the second yardstick."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow import paths
from ferflow.cli.app import app
from ferflow.data.drawn.sample import draw_sample
from ferflow.data.fer_plus import CHOICES, soft_labels
from ferflow.data.subsets import load_subset
from ferflow.labels import CSV_EMOTIONS
from ferflow.model import epochs as module
from tests.conftest import REPOSITORY

# The columns of Microsoft's fer2013new.csv, and what each votes for.
_PUBLISHED = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
    "unknown": "unknown",
    "NF": "not_a_face",
}
_NAMES = list(_PUBLISHED.values())
_SMALL = (
    "train.epochs=1",
    "train.warmup_epochs=0",
    "model.widths=[8, 16]",
    "model.depths=[1, 1]",
    "train.targets=votes",
)


def _votes(label: str, number: int) -> list[int]:
    """Ten votes, seven of them for the label, which tell the row apart from most others."""
    cells = [0] * len(_NAMES)
    cells[_NAMES.index(label)] += 7
    cells[number % len(_NAMES)] += 2
    cells[number // len(_NAMES) % len(_NAMES)] += 1
    return cells


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[bytes, list[int]], np.ndarray]]:
    """The votes of each picture, and the targets of the training, after all stages ran in a folder."""
    folder = tmp_path_factory.mktemp("project")
    table = draw_sample(210, seed=3)
    voted: dict[bytes, list[int]] = {}
    with (
        (folder / "fer2013.csv").open("w", newline="") as pixels,
        (folder / "fer2013new.csv").open("w", newline="") as votes,
    ):
        rows, cells = csv.writer(pixels), csv.writer(votes)
        rows.writerow(["emotion", "pixels", "Usage"])
        cells.writerow(["Usage", "Image name", *_PUBLISHED])
        for number, (image, label, usage) in enumerate(
            zip(table.images, table["label"], table["usage"], strict=True)
        ):
            rows.writerow([CSV_EMOTIONS.index(label), " ".join(map(str, image.ravel())), usage])
            counts = voted.setdefault(image.tobytes(), _votes(label, number))
            cells.writerow([usage, f"fer{number:07d}.png", *counts])
    shutil.copytree(REPOSITORY / "profiles", folder / "profiles")
    targets: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FERFLOW_TRACKING", "off")
        begin = module.Epochs.__init__

        def note(self, *arguments, **options) -> None:
            begin(self, *arguments, **options)
            targets.append(np.asarray(self._targets))

        patch.setattr(module.Epochs, "__init__", note)
        source = ("download.source=csv", "download.path=fer2013.csv", "download.votes=fer2013new.csv")
        settings = [word for change in (*source, *_SMALL) for word in ("--set", change)]
        _run("profile", "sample", *settings)
        for stage in ("download", "face-filter", "split", "train", "evaluate"):
            _run(stage)
        yield voted, targets[0]


def _run(*arguments: str) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (arguments, result.output, result.exception)


@pytest.mark.slow
def test_filters_and_split_keep_the_votes_beside_their_images(trained):
    voted, _ = trained
    assert len(Path(paths.FILTERED / "dropped.csv").read_text().splitlines()) > 1
    subsets = [load_subset(paths.SPLIT / f"{name}.npz") for name in ("train", "val", "test")]
    order = [_NAMES.index(choice) for choice in CHOICES]
    for subset in subsets:
        expected = np.array([voted[image.tobytes()] for image in subset.images])[:, order]
        np.testing.assert_array_equal(subset.votes, expected)
    assert sum(len(subset.images) for subset in subsets) > 100


@pytest.mark.slow
def test_the_shares_of_the_votes_are_what_is_trained_on(trained):
    _, targets = trained
    train = load_subset(paths.SPLIT / "train.npz")
    np.testing.assert_allclose(targets, soft_labels(train.votes, train.labels), atol=1e-6)
    assert ((targets > 0) & (targets < 1)).any(axis=1).mean() > 0.5


@pytest.mark.slow
def test_the_report_has_the_second_yardstick(trained):
    report = json.loads((paths.REPORTS / "metrics.json").read_text())
    test = load_subset(paths.SPLIT / "test.npz")
    second = report["fer_plus"]
    assert 0 < second["num_images"] <= len(test.images)
    assert 0 <= second["accuracy"] <= 1
    assert second["leak_free"]["num_images"] <= second["num_images"]
    assert "FER+" in (paths.REPORTS / "report.html").read_text()
