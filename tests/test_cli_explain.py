"""`ferflow explain`: pictures and a gallery, and one clear error for what cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import DataError, FerflowError, ModelError, OutputError
from ferflow.params import load_params
from ferflow.serving.answering import DRAWN
from ferflow.stages import evaluate
from ferflow.workflows.explain import evenly_spaced
from tests.conftest import REPOSITORY
from tests.serving.conftest import describe, write_tiny_network
from tests.serving.pictures import photo_of
from tests.stages.test_evaluate import write_split

pytestmark = pytest.mark.usefixtures("coarse_figures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A repository with a network, a split and some pictures."""
    from ferflow.model.network import build_network

    place = tmp_path_factory.mktemp("explained")
    (place / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    params = load_params(place / "params.yaml")
    model = params.model.model_copy(update={"widths": [4, 8], "depths": [1, 1], "weights": None})
    (place / "models").mkdir()
    build_network(model).save(place / "models" / "model.keras")
    write_split(place / "data" / "split", num_images=42)
    random = np.random.default_rng(3)
    for name, shape in (("face.png", (48, 48)), ("photo.jpg", (300, 200, 3)), ("other/face.png", (64, 64))):
        (place / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(place / name), random.integers(0, 256, shape, dtype=np.uint8))
    photo = photo_of([(300, 30, 70), (60, 60, 200)])
    for name, picture in (("two.png", photo), ("wall.png", photo_of([]))):
        cv2.imwrite(str(place / name), picture)
    (place / "broken.png").write_bytes((place / "face.png").read_bytes()[:200])
    return place


@pytest.fixture
def export(tmp_path):
    """An export of the tiny network, with the Haar cascade."""
    place = tmp_path / "exported"
    place.mkdir()
    for name in ("model.onnx", "model.int8.onnx"):
        write_tiny_network(place / name)
    describe(place)
    return place


@pytest.fixture
def explain(folder, monkeypatch):
    """Run the command in the folder; give its lines, or raise the error that it would print."""
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> list[str]:
        result = CliRunner().invoke(app, ["explain", *arguments])
        if isinstance(result.exception, FerflowError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return run


@pytest.mark.parametrize("model", [(), ("--model", "models/model.keras")], ids=["onnx", "keras"])
def test_explain_writes_each_face_beside_its_heatmap_and_prints_the_answer(explain, model, tmp_path):
    output = tmp_path / "pictures"
    lines = explain("face.png", "photo.jpg", "other/face.png", "--whole", "--output", str(output), *model)
    names = ["face-explained.png", "photo-explained.png", "face-explained-2.png"]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    assert [line.split(" -> ")[1] for line in lines] == [str(output / name) for name in names]
    assert all(line.count("%") == 3 for line in lines)
    picture = cv2.imread(str(output / names[0]))
    assert picture.shape == (288 + 2 * 22, 576, 3)
    bare, coloured = np.split(picture[:288].astype(int), 2, axis=1)
    assert np.ptp(bare, axis=2).max() == 0
    assert np.ptp(coloured, axis=2).max() > 50


def test_explain_answers_as_predict_does_with_the_same_model_and_the_same_faces(explain, export, tmp_path):
    lines = explain("two.png", "--export", str(export), "--output", str(tmp_path / "out"))
    done = CliRunner().invoke(app, ["predict", "two.png", "--json", "--export", str(export)])
    faces = json.loads(done.stdout)["faces"]
    assert len(lines) == len(faces) == 2
    for number, (line, face) in enumerate(zip(lines, faces, strict=True), start=1):
        share = f"{face['emotion']} {face['probabilities'][face['emotion']]:.1%}"
        assert line.startswith(f"two.png: face {number} of 2: {share}, ")
    assert cv2.imread(str(tmp_path / "out" / "two-explained.png")).shape == (2 * (288 + 22) + 22, 576, 3)


def test_a_picture_without_a_face_is_an_answer(explain, export, tmp_path):
    lines = explain("wall.png", "--export", str(export), "--output", str(tmp_path / "out"))
    assert lines == ["wall.png: no face found; --whole takes the centred square as one"]
    assert not (tmp_path / "out").exists()


def test_every_output_names_the_model_and_a_model_of_drawn_faces_says_so(explain, export, tmp_path):
    describe(export, trained_on=DRAWN)
    arguments = ["explain", "face.png", "--whole", "--export", str(export), "--output"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "drawn")])
    assert done.stderr.splitlines() == [
        f"model: {export}: ferflow version 3",
        "warning: this model was trained on drawn faces and knows nothing of people",
        "faces: each picture is one, its largest centred square",
    ]
    describe(export)
    CliRunner().invoke(app, [*arguments, str(tmp_path / "plain")])
    drawn, plain = (cv2.imread(str(tmp_path / name / "face-explained.png")) for name in ("drawn", "plain"))
    assert len(drawn) - len(plain) == 22
    np.testing.assert_array_equal(drawn[: len(plain)], plain)
    assert plain[-22:].min() < 100  # The model's name.


def test_explain_needs_neither_tensorflow_nor_params(folder, tmp_path):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'matplotlib', 'mlflow'):\n    sys.modules[name] = None\n"
        "from ferflow.cli.app import app\n"
        "app(['explain', sys.argv[1], '--whole'], standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "face.png")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("model: the built-in network compact\n")
    assert (tmp_path / "reports" / "explain" / "face-explained.png").is_file()


def test_explain_without_pictures_draws_the_gallery_and_measures(explain, folder):
    lines = explain("--measured", "20", "--model", "models/model.keras")
    output = folder / "reports" / "explain"
    assert cv2.imread(str(output / "gallery.png")) is not None
    found = json.loads((output / "faithfulness.json").read_text())
    assert found["num_images"] == 20
    assert found["model"]["name"] == "models/model.keras"
    assert f"the hottest {100 * found['drop_hottest']:.1f} points" in " ".join(lines)
    assert lines[-1] == "gallery: reports/explain/gallery.png"


def test_no_more_test_images_are_measured_than_there_are():
    assert evenly_spaced(42, 10**12).tolist() == list(range(42))
    assert evenly_spaced(42, 3).tolist() == [0, 20, 41]


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_not_waited_for(kind, explain, folder, tmp_path):
    place = {"pipe": tmp_path / "pipe", "folder": tmp_path, "device": Path("/dev/zero")}[kind]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        DataError, match=f"{place}: is a folder, pipe or device, expected a picture; name a file"
    ):
        explain(str(place), "--whole", "--output", str(tmp_path / "out"))


def test_no_heatmap_replaces_a_picture_that_is_read(explain, folder, tmp_path):
    (tmp_path / "a-explained.png").write_bytes((folder / "face.png").read_bytes())
    (tmp_path / "a.png").write_bytes((folder / "face.png").read_bytes())
    names = [str(tmp_path / name) for name in ("a.png", "a-explained.png")]
    with pytest.raises(OutputError, match=r"a-explained.png: is the picture itself; .* --output"):
        explain(*names, "--whole", "--output", str(tmp_path))
    assert (tmp_path / "a-explained.png").read_bytes() == (folder / "face.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["face.png", "broken.png"], "broken.png: cut short"),
        (["absent.png"], "absent.png: cannot be read .No such file"),
        (["other"], "other: is a folder, pipe or device"),
        (["params.yaml"], "params.yaml: not a JPEG, PNG"),
    ],
)
def test_a_picture_that_cannot_be_read_is_an_error_and_nothing_is_written(
    explain, arguments, message, tmp_path
):
    with pytest.raises(DataError, match=message):
        explain(*arguments, "--output", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_network_that_is_missing_or_has_another_head_is_an_error(explain, folder):
    import keras

    with pytest.raises(ModelError, match=r"absent.keras: not found; train a model first"):
        explain("face.png", "--model", "absent.keras")
    images = keras.Input((48, 48, 1))
    answer = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(images))
    keras.Model(images, answer).save(folder / "other.keras")
    with pytest.raises(ModelError, match="name two networks"):
        explain("face.png", "--model", "other.keras", "--export", "export")
    with pytest.raises(
        ModelError, match=r"other.keras: network .* expected the head that 'ferflow train' builds"
    ):
        explain("face.png", "--whole", "--model", "other.keras")


def test_gallery_needs_a_split(explain, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((folder / "params.yaml").read_bytes())
    with pytest.raises(DataError, match=r"data/split/test.npz: not found"):
        explain()


def test_evaluate_puts_the_gallery_into_the_report(folder, tmp_path):
    params = load_params(folder / "params.yaml")
    evaluate.run(
        params.evaluate,
        split_dir=folder / "data" / "split",
        model_path=folder / "models" / "model.keras",
        reports_dir=tmp_path,
    )
    assert cv2.imread(str(tmp_path / "plots" / "grad_cam.png")) is not None
    light, dark = (
        cv2.imread(str(tmp_path / "plots" / name)) for name in ("grad_cam.png", "grad_cam-dark.png")
    )
    assert light.shape == dark.shape
    assert light[0, 0].min() > 240
    assert dark[0, 0].max() < 60
    page = (tmp_path / "report.html").read_text()
    assert page.count('href="#evidence"') == page.count('<section id="evidence">') == 1
