"""The folder of insight: what is in it, where its probabilities come from, and bad inputs."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from ferflow.data.store import read_arrays, write_csv
from ferflow.errors import DataError, ModelError, OutputError
from ferflow.insight.report import write_insight
from ferflow.labels import EMOTIONS
from tests.accessibility import faults_of
from tests.insight.conftest import NUM_FLIPPED, NUM_LEAKED, NUM_OF

FILES = [
    "index.html",
    "insight.json",
    "label_errors-dark.png",
    "label_errors.csv",
    "label_errors.png",
    "slice_examples-dark.png",
    "slice_examples.png",
    "slices.csv",
    "slices.png",
]


def _insight(params, root, **changes):
    places = {"root": root, "model_path": root / "models" / "model.keras", "output_dir": root / "insight"}
    return write_insight(params, **{**places, **changes})


def _rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def written(sample_params, finished, tmp_path_factory):
    """The folder of a run without predictions.csv."""
    output = tmp_path_factory.mktemp("written") / "insight"
    _insight(sample_params, finished, output_dir=output)
    return output


def test_the_flipped_labels_are_listed_and_leaked_images_are_not(written, finished):
    assert sorted(path.name for path in written.iterdir()) == FILES
    report = json.loads((written / "insight.json").read_text())
    assert report["images"] == {"test": NUM_OF["test"] - NUM_LEAKED, "val": NUM_OF["val"]}
    assert report["leaked_left_out"] == NUM_LEAKED
    listed = _rows(written / "label_errors.csv")
    planted = {row["file"] for row in _rows(finished / "flipped.csv")}
    assert {row["file"] for row in listed[: len(planted)]} == planted
    assert [row["rank"] for row in listed] == [str(rank + 1) for rank in range(len(listed))]
    assert all(row["label"] != row["suggested"] for row in listed)
    assert [float(row["score"]) for row in listed] == sorted(float(row["score"]) for row in listed)


def test_the_model_is_named_with_its_accuracy(written):
    report = json.loads((written / "insight.json").read_text())
    judged = NUM_OF["test"] - NUM_LEAKED + NUM_OF["val"]
    assert report["model"] == "models/model.keras"
    assert report["accuracy_out_of_sample"] == round(1 - NUM_FLIPPED / judged, 6)
    assert report["warning"] is None
    assert "Judged by models/model.keras, which is right on" in (written / "index.html").read_text("utf-8")


def test_a_model_that_contradicts_most_labels_is_called_too_weak(sample_params, repository, network):
    from ferflow.model.backend import load_keras

    weak = load_keras().models.clone_model(network)
    weak.set_weights([-values for values in network.get_weights()])  # What was sure is now unlikely.
    weak.save(repository / "models" / "weak.keras")
    _insight(sample_params, repository, model_path=repository / "models" / "weak.keras")
    report = json.loads((repository / "insight" / "insight.json").read_text())
    assert report["accuracy_out_of_sample"] < 0.5
    assert report["warning"].startswith("models/weak.keras is right on")
    page = (repository / "insight" / "index.html").read_text("utf-8")
    assert "shows its mistakes rather than wrong labels" in page


def test_slices_are_of_leak_free_test_images_and_the_page_says_what_is_missing(written):
    slices = _rows(written / "slices.csv")
    right = NUM_OF["test"] - NUM_LEAKED - NUM_FLIPPED
    for trait in ("brightness", "contrast", "face score"):
        mine = [row for row in slices if row["trait"] == trait]
        assert sum(int(row["images"]) for row in mine) == NUM_OF["test"] - NUM_LEAKED
        assert sum(int(row["right"]) for row in mine) == right
    page = (written / "index.html").read_text(encoding="utf-8")
    assert "turn and tilt of the head: there is no data/raw/detector.onnx (YuNet)" in page
    assert "copies: the same for all images" in page
    assert "not a cure" in page
    # Three pictures, two of which are there for dark ground, too.
    assert page.count("data:image/png;base64,") == 5


def test_insight_twice_gives_the_same_bytes(written, sample_params, repository):
    again = repository / "insight"
    _insight(sample_params, repository)
    assert [name for name in FILES if (again / name).read_bytes() != (written / name).read_bytes()] == []


def _write_predictions(root, network, *, surer=False, **changes):
    """predictions.csv as evaluate writes it; `surer` makes those of another model of them."""
    arrays = read_arrays(root / "data" / "split" / "test.npz", ("images", "labels"))
    probabilities = network.predict(arrays["images"][..., np.newaxis], verbose=0).astype(float)
    if surer:
        probabilities = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    first = NUM_OF["train"] + NUM_OF["val"]
    columns = {
        "file": [f"test/{first + row}.jpg" for row in range(len(probabilities))],
        "label": np.array(EMOTIONS)[arrays["labels"]],
    }
    for number, emotion in enumerate(EMOTIONS):
        columns[f"p_{emotion}"] = [f"{value:.6f}" for value in probabilities[:, number]]
    write_csv(root / "reports" / "predictions.csv", {**columns, **changes})


def test_predictions_of_this_model_and_split_are_used(written, sample_params, repository, network, capsys):
    _write_predictions(repository, network)
    _insight(sample_params, repository)
    assert "predictions.csv" not in capsys.readouterr().err
    assert (repository / "insight" / "slices.csv").read_bytes() == (written / "slices.csv").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surer": True}, "predictions.csv: of another model than"),
        ({"label": ["sad"] * NUM_OF["test"]}, "predictions.csv: of another split"),
    ],
)
def test_predictions_of_another_model_or_split_are_passed_over(
    written, sample_params, repository, network, capsys, changes, message
):
    _write_predictions(repository, network, **changes)
    _insight(sample_params, repository)
    assert message in capsys.readouterr().err
    assert (repository / "insight" / "insight.json").read_bytes() == (written / "insight.json").read_bytes()


def test_predictions_that_are_no_probabilities_are_an_error(sample_params, repository, network):
    _write_predictions(repository, network, p_sad=["nan"] * NUM_OF["test"])
    with pytest.raises(
        DataError, match=r"predictions\.csv: the probabilities of .* add up to nan, expected 1"
    ):
        _insight(sample_params, repository)


@pytest.mark.parametrize(
    ("lost", "error"),
    [
        ("data/split/manifest.csv", DataError),
        ("data/split/val.npz", DataError),
        ("data/split/test.npz", DataError),
        ("models/model.keras", ModelError),
    ],
)
def test_a_missing_input_is_named_and_leaves_the_former_folder(
    sample_params, repository, written, lost, error
):
    shutil.copytree(written, repository / "insight")
    (repository / lost).unlink()
    with pytest.raises(error, match=rf"{lost}: not found; "):
        _insight(sample_params, repository)
    assert sorted(path.name for path in (repository / "insight").iterdir()) == FILES


def test_a_manifest_of_another_split_is_an_error(sample_params, repository):
    path = repository / "data" / "split" / "manifest.csv"
    path.write_text(path.read_text().replace(",val,", ",train,", 1))
    with pytest.raises(DataError, match=r"manifest\.csv: its 59 val rows do not carry the labels of the 60"):
        _insight(sample_params, repository)


def test_a_folder_that_holds_something_else_is_left_alone(sample_params, repository):
    (repository / "thesis").mkdir()
    (repository / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"thesis: holds files but no insight\.json"):
        _insight(sample_params, repository, output_dir=repository / "thesis")
    with pytest.raises(OutputError, match=r"params\.yaml: a file, expected a folder"):
        _insight(sample_params, repository, output_dir=repository / "params.yaml")
    assert (repository / "thesis" / "chapter.txt").read_text() == "mine"


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_the_page(written):
    assert faults_of((written / "index.html").as_uri()) == []
