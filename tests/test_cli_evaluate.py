"""`ferflow evaluate --data`: a folder of classes beside the test subset, by the command line."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow import paths
from ferflow.cli.app import app
from ferflow.data.store import pixel_hashes, read_arrays, read_csv, write_csv
from ferflow.errors import DataError, FerflowError, ModelError, OutputError, ParamsError, SourceError
from ferflow.files import sha256_of, write_json
from ferflow.labels import EMOTIONS
from ferflow.params import DownloadParams, EvaluateParams, read_yaml
from ferflow.params.scoring import scoring_params
from ferflow.serving.answering import DRAWN
from tests.conftest import REPOSITORY
from tests.serving.conftest import describe, expected_probabilities, write_tiny_network
from tests.serving.pictures import WALL, photo_of
from tests.stages.test_evaluate import write_network, write_split

pytestmark = pytest.mark.usefixtures("coarse_figures")

# What the folders of the test are called; two of them are one emotion.
FOLDERS = ("Anger", "disgust", "Fearful", "HAPPY", "Joy", "neutral", "sadness", "surprised")


# The network that the pipeline trained, instead of the one that answers elsewhere.
OWN = ("--model", "models/model.keras")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose test subset was scored, and its test images as a folder of classes."""
    root = tmp_path_factory.mktemp("repository")
    (root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    write_network(root / paths.MODEL)
    write_split(root / paths.SPLIT, num_images=120)
    _add_hashes(root / paths.SPLIT)
    # What the evaluate stage knows the network by.
    write_json(root / paths.REPORTS / "train.json", {"model_sha256": sha256_of(root / paths.MODEL)})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("FERFLOW_TRACKING", "off")
        done = CliRunner().invoke(app, ["evaluate"])
        assert done.exit_code == 0, done.output
    _write_export(root / paths.EXPORT)
    _write_folder(root / "faces", read_arrays(root / paths.SPLIT / "test.npz", ("images", "labels")))
    return root


def _write_export(folder, **changes):
    """An export of the tiny network, with the Haar cascade."""
    folder.mkdir(exist_ok=True)
    for name in ("model.onnx", "model.int8.onnx"):
        write_tiny_network(folder / name)
    describe(folder, **changes)


def _add_hashes(split):
    """Give the manifest the column sha256; the last leaked rows get a training image of equal pixels."""
    manifest = read_csv(split / "manifest.csv", ("file", "leaked"))
    hashes = pixel_hashes(read_arrays(split / "test.npz", ("images",))["images"])
    exact = manifest["leaked"] == "exact"
    trained = {name: values[exact] for name, values in manifest.items()} | {"sha256": hashes[exact[1:]]}
    trained["subset"] = np.full(exact.sum(), "train")
    tested = {name: values[1:] for name, values in manifest.items()} | {"sha256": hashes}
    write_csv(
        split / "manifest.csv", {name: np.concatenate([trained[name], tested[name]]) for name in tested}
    )


def _write_folder(target, arrays):
    names = {"happy": ("HAPPY", "Joy")}
    for emotion, folder in zip(
        ("angry", "disgust", "fear", "neutral", "sad", "surprise"),
        (folder for folder in FOLDERS if folder not in names["happy"]),
        strict=True,
    ):
        names[emotion] = (folder, folder)
    for number, (image, label) in enumerate(zip(arrays["images"], arrays["labels"], strict=True)):
        path = target / names[EMOTIONS[label]][number // 7 % 2] / f"person{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


@pytest.fixture
def evaluate(repository, monkeypatch):
    """Run the command there; give what it printed, or raise the error that it would print."""
    monkeypatch.chdir(repository)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["evaluate", *arguments])
        if isinstance(result.exception, FerflowError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def _metrics(repository, name):
    return json.loads((repository / "reports" / "cross" / name / "metrics.json").read_text())


def _answers(place):
    """File to its probabilities."""
    columns = read_csv(place / "predictions.csv", ("file",))
    rows = np.stack([columns[f"p_{emotion}"].astype(float) for emotion in EMOTIONS], axis=1)
    return dict(zip(columns["file"].tolist(), rows, strict=True))


def test_a_folder_of_the_test_images_has_the_figures_of_the_test_subset(evaluate, repository):
    printed = evaluate("--data", "faces", *OWN)
    stage = json.loads((repository / "reports" / "metrics.json").read_text())
    folder = _metrics(repository, "faces")
    exact = (read_csv(repository / paths.SPLIT / "manifest.csv", ("leaked",))["leaked"] == "exact").sum() // 2

    facts = folder.pop("folder")
    assert list(folder) == list(stage)
    assert {name: folder[name] for name in folder if name != "leak_free"} == {
        name: stage[name] for name in stage if name != "leak_free"
    }
    assert facts["num_leaked"] == exact == 120 - folder["leak_free"]["num_images"]
    assert facts["classes"]["Joy"] == {"emotion": "happy", "files": 8, "scored": 8}
    assert (facts["name"], facts["faces"], facts["bad_images"]) == ("faces", "whole", [])
    assert f"accuracy   {stage['accuracy']:.4f}" in printed
    assert "reports/cross/faces/report.html" in printed


def test_results_are_those_of_the_stage_without_the_paper(evaluate, repository):
    evaluate("--data", "faces", "--name", "again", *OWN)
    place = repository / "reports" / "cross" / "again"
    page = (place / "report.html").read_text(encoding="utf-8")

    assert sorted(path.name for path in place.iterdir()) == [
        "metrics.json",
        "plots",
        "predictions.csv",
        "report.html",
        "scores.json",
    ]
    in_stage, here = (
        sorted(path.name for path in (folder / "plots").iterdir())
        for folder in (repository / "reports", place)
    )
    assert here == in_stage
    assert "about the folder &ldquo;again&rdquo;" in page
    assert "Beside the paper" not in page
    with (place / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["file"].startswith("Anger/person")
    assert {row["label"] for row in rows} == set(EMOTIONS)
    first = {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    evaluate("--data", "faces", "--name", "again", *OWN)
    assert {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()} == first


def test_classes_without_images_have_no_figures(evaluate, repository, tmp_path):
    for source, target in (("HAPPY", "HAPPY"), ("sadness", "sadness"), ("Anger", "Contempt")):
        shutil.copytree(repository / "faces" / source, tmp_path / target)
    evaluate("--data", str(tmp_path), "--name", "two", "--map", "contempt=")
    found = _metrics(repository, "two")

    assert found["per_class"]["angry"]["recall"] is None
    assert found["per_class"]["happy"]["support"] == found["folder"]["classes"]["HAPPY"]["scored"] > 0
    assert found["folder"]["classes"]["Contempt"] == {"emotion": "left out", "files": 18, "scored": 0}


def test_a_network_that_the_reports_are_not_about_has_no_temperature(evaluate, repository, tmp_path, capsys):
    (repository / "models" / "other.keras").write_bytes(
        write_network(tmp_path / "other.keras", seed=4).read_bytes()
    )
    printed = evaluate("--data", "faces", "--name", "other", "--model", "models/other.keras")
    found = _metrics(repository, "other")

    assert "no temperature is known to be of models/other.keras" in printed
    assert found["folder"]["num_leaked"] is None
    assert (found["temperature"], found["ece_calibrated"]) == (None, None)
    assert found["abstention"]["by_accuracy"] == {}
    assert found["abstention"]["accuracy_at_coverage"]["0.5"] is not None
    page = (repository / "reports" / "cross" / "other" / "report.html").read_text(encoding="utf-8")
    assert "No temperature is known" in page


def test_without_a_named_model_it_is_the_one_that_predict_takes(evaluate, repository):
    printed = evaluate("--data", "faces", "--name", "export")
    place = repository / "reports" / "cross" / "export"
    found = _metrics(repository, "export")

    assert printed.splitlines()[0] == "model: export: ferflow version 3"
    assert "model      export: ferflow version 3" in printed
    assert found["folder"]["model"] == "export: ferflow version 3"
    assert (found["folder"]["model_sha256"], found["temperature"]) == ("5" * 64, 1.5)
    # The manifest here is of another network.
    assert found["folder"]["num_leaked"] is None
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "Read by export: ferflow version 3." in page
    assert 'id="evidence"' in page  # Heatmaps of the ONNX file.
    answers = _answers(place)
    faces = np.stack([cv2.imread(f"faces/{name}", cv2.IMREAD_GRAYSCALE) for name in answers])
    np.testing.assert_allclose(list(answers.values()), expected_probabilities(faces), atol=1e-4)


def test_an_export_of_the_network_that_was_trained_here_knows_leaks_and_thresholds(
    evaluate, repository, tmp_path
):
    _write_export(tmp_path, model_sha256=sha256_of(repository / paths.MODEL), trained_on=DRAWN)
    printed = evaluate("--data", "faces", "--name", "exported", "--export", str(tmp_path))
    found = _metrics(repository, "exported")
    stage = json.loads((repository / "reports" / "metrics.json").read_text())

    assert found["folder"]["num_leaked"] == 6
    assert found["temperature"] == stage["temperature"]
    assert found["abstention"]["by_accuracy"].keys() == stage["abstention"]["by_accuracy"].keys()
    assert "warning: this model was trained on drawn faces" in printed
    page = (repository / "reports" / "cross" / "exported" / "report.html").read_text(encoding="utf-8")
    assert "knows nothing of people" in page


def test_faces_are_found_in_photos_and_pictures_without_one_are_named(evaluate, repository, tmp_path):
    (tmp_path / "sad").mkdir()
    both = photo_of([(300, 30, 70), (60, 60, 200)])
    only_small, only_large = both.copy(), both.copy()
    only_small[:, :280] = only_large[:, 290:] = WALL
    photos = {"both": both, "large": only_large, "small": only_small, "wall": photo_of([])}
    for name, photo in photos.items():
        (tmp_path / "sad" / f"{name}.png").write_bytes(cv2.imencode(".png", photo)[1])
    printed = evaluate("--data", str(tmp_path), "--name", "photos", "--faces", "crop", *OWN)
    found = _metrics(repository, "photos")

    answers = _answers(repository / "reports" / "cross" / "photos")
    assert found["num_images"] == 3
    # The larger of two faces counts.
    assert np.abs(answers["sad/both.png"] - answers["sad/large.png"]).max() < 0.01
    assert np.abs(answers["sad/both.png"] - answers["sad/small.png"]).max() > 0.05
    assert found["folder"]["faces"] == "crop"
    assert found["folder"]["without_face"] == ["sad/wall.png"]
    assert "no face was found in 1 pictures, such as sad/wall.png" in printed


def test_large_pictures_taken_whole_are_remarked_on(evaluate, repository, tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "photo.png").write_bytes(cv2.imencode(".png", photo_of([(60, 60, 200)]))[1])
    printed = evaluate("--data", str(tmp_path), "--name", "large")

    assert "median side 360 px" in printed
    assert "--faces crop" in printed


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--map", "joy=sad"], SourceError, "--map belongs to --data DIR"),
        (["--faces", "crop"], SourceError, "--faces belongs to --data DIR"),
        (["--data", "absent"], SourceError, "absent: not found"),
        (["--data", "faces", "--name", "../up"], OutputError, "--name '../up': expected letters"),
        (["--data", "faces", "--name", ".hidden"], OutputError, "--name '.hidden'"),
        (["--data", "faces", "--model", "absent.keras"], ModelError, "absent.keras: not found"),
        (["--data", "faces", "--export", "absent"], ModelError, "absent.export.json: not found"),
        (["--data", "faces", "--export", "export", *OWN], ModelError, "name two networks"),
        (["--export", "absent"], SourceError, "--export belongs to --data DIR"),
    ],
)
def test_wrong_options_are_one_error(evaluate, arguments, error, message):
    with pytest.raises(error, match=message):
        evaluate(*arguments)


def test_too_many_bad_images_leave_the_old_results(evaluate, repository, tmp_path):
    for number in range(3):
        path = tmp_path / "sad" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.full((48, 48), 40 * number, np.uint8))[1])
    evaluate("--data", str(tmp_path), "--name", "old")
    before = _metrics(repository, "old")
    (tmp_path / "sad" / "bad.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"1 of 4 images cannot be used"):
        evaluate("--data", str(tmp_path), "--name", "old")
    assert _metrics(repository, "old") == before
    printed = evaluate("--data", str(tmp_path), "--name", "old", "--max-bad-share", "0.5")
    assert "1 images cannot be used, such as sad/bad.png" in printed
    assert _metrics(repository, "old")["folder"]["bad_images"] == [
        {"name": "sad/bad.png", "reason": "empty (0 bytes); take another copy of it"}
    ]


def test_a_folder_is_scored_where_there_is_no_parameter_file(evaluate, repository, tmp_path, monkeypatch):
    faces = repository / "faces"
    monkeypatch.chdir(tmp_path)
    evaluate("--data", str(faces), "--name", "mine", "--export", str(repository / "export"))
    assert _metrics(tmp_path, "mine")["num_images"] == 120
    with pytest.raises(ParamsError, match=r"other\.yaml: not found"):
        evaluate("--data", str(faces), "--params", "other.yaml")


def test_what_stands_in_for_the_parameter_file_is_what_every_profile_starts_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = read_yaml(REPOSITORY / "profiles" / "base.yaml")
    stand_in = scoring_params(paths.PARAMS)
    assert stand_in.download == DownloadParams.model_validate(base["download"])
    assert stand_in.evaluate == EvaluateParams.model_validate(base["evaluate"])
