"""`ferflow explain`: pictures and a gallery, and one clear error for what cannot be used."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow.cli import app
from ferflow.errors import DataError, FerflowError, ModelError
from ferflow.params import load_params
from ferflow.stages import evaluate
from tests.conftest import REPOSITORY
from tests.stages.test_evaluate import write_split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A repository with a network, a split and some pictures."""
    from ferflow.model.network import build_network

    place = tmp_path_factory.mktemp("explained")
    (place / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    params = load_params(place / "params.yaml")
    model = params.model.model_copy(update={"widths": (4, 8), "depths": (1, 1), "weights": None})
    (place / "models").mkdir()
    build_network(model).save(place / "models" / "model.keras")
    write_split(place / "data" / "split", num_images=42)
    random = np.random.default_rng(3)
    for name, shape in (("face.png", (48, 48)), ("photo.jpg", (300, 200, 3)), ("other/face.png", (64, 64))):
        (place / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(place / name), random.integers(0, 256, shape, dtype=np.uint8))
    (place / "broken.png").write_bytes((place / "face.png").read_bytes()[:200])
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


def test_explain_writes_each_face_beside_its_heatmap_and_prints_the_answer(explain, folder, tmp_path):
    output = tmp_path / "pictures"
    lines = explain("face.png", "photo.jpg", "other/face.png", "--output", str(output))
    names = ["face-explained.png", "photo-explained.png", "face-explained-2.png"]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    assert [line.split(" -> ")[1] for line in lines] == [str(output / name) for name in names]
    assert all(line.count("%") == 3 for line in lines)
    picture = cv2.imread(str(output / names[0]))
    assert picture.shape == (288, 576, 3)
    bare, coloured = np.split(picture.astype(int), 2, axis=1)
    assert np.ptp(bare, axis=2).max() == 0
    assert np.ptp(coloured, axis=2).max() > 50


def test_explain_without_pictures_draws_the_gallery_and_measures(explain, folder):
    lines = explain("--measured", "20")
    output = folder / "reports" / "explain"
    assert cv2.imread(str(output / "gallery.png")) is not None
    found = json.loads((output / "faithfulness.json").read_text())
    assert found["num_images"] == 20
    assert f"the hottest {100 * found['drop_hottest']:.1f} points" in " ".join(lines)
    assert lines[-1] == "gallery: reports/explain/gallery.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["face.png", "broken.png"], "broken.png: cut short"),
        (["absent.png"], "absent.png: cannot be read .No such file"),
        (["other"], "other: cannot be read .Is a directory"),
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
    with pytest.raises(
        ModelError, match=r"other.keras: network .* expected the head that 'ferflow train' builds"
    ):
        explain("face.png", "--model", "other.keras")


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
    page = (tmp_path / "report.html").read_text()
    assert page.count('href="#evidence"') == page.count('<section id="evidence">') == 1
