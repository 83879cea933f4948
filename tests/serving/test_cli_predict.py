"""The command `predict`: table, JSON lines, annotated pictures, errors and exit codes."""

from __future__ import annotations

import inspect
import json
import os

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ferflow.cli.app import app
from ferflow.cli.predict import predict as predict_command
from ferflow.data.decoding import pictures
from ferflow.errors import ModelError, OutputError, SourceError
from ferflow.labels import EMOTIONS
from ferflow.serving.predictor import MIN_SCORE
from tests.serving.conftest import expected_probabilities
from tests.serving.pictures import drawn_faces, photo_of, write_photo
from tests.serving.test_shots import write_video
from tests.source_files import encoded

_TWO = [(40, 60, 144), (280, 150, 144)]


@pytest.fixture
def album(tmp_path):
    """A folder with two faces, one face, none, a picture that cannot be read, and a text."""
    write_photo(tmp_path / "album" / "two.png", photo_of(_TWO))
    write_photo(tmp_path / "album" / "sub" / "one.jpg", photo_of(_TWO[1:]))
    write_photo(tmp_path / "album" / "wall.png", photo_of([]))
    (tmp_path / "album" / "zero.png").write_text("no picture")
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    return tmp_path / "album"


def _json(result: Result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_picture_is_read_from_a_pipe(export_folder):
    photo = encoded(photo_of(_TWO), ".png")
    result = CliRunner().invoke(app, ["predict", "--export", str(export_folder), "--json", "-"], input=photo)
    (picture,) = _json(result)
    assert (picture["path"], len(picture["faces"])) == ("standard input", 2)
    result = CliRunner().invoke(app, ["predict", "--export", str(export_folder), "-"], input=b"no picture")
    assert (result.exit_code, "error: standard input: not a JPEG, PNG" in result.stderr) == (1, True)


def test_the_largest_picture_is_an_option(predict, album):
    result = predict(album / "two.png", "--max-pixels", "172799")
    assert result.exit_code == 1
    assert "claims 480x360 pixels, more than the limit of 172799" in result.stderr
    assert predict(album / "two.png", "--max-pixels", "172800").exit_code == 0


def test_boxes_of_a_reduced_photo_are_in_pixels_of_the_file(predict, tmp_path, monkeypatch):
    photo = write_photo(tmp_path / "photo.jpg", cv2.resize(photo_of(_TWO), (961, 720)))
    (whole,) = _json(predict(photo, "--json"))
    monkeypatch.setattr(pictures, "FULL_PIXELS", 200_000)
    (reduced,) = _json(predict(photo, "--json", "--trusted"))
    assert (reduced["width"], reduced["height"]) == (whole["width"], whole["height"]) == (961, 720)
    boxes = [[face["box"] for face in answer["faces"]] for answer in (whole, reduced)]
    np.testing.assert_allclose(boxes[0], boxes[1], atol=12)


def test_a_table_has_a_line_a_face_and_says_where_there_is_none(predict, album):
    result = predict(album)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["picture", "face", "emotion", "confidence"]
    assert [line.split()[1] for line in lines[1:]] == ["1", "1", "2", "-"]
    assert lines[-1].endswith("no face")
    assert f"skipped: {album}/zero.png: not a JPEG, PNG" in result.stderr
    assert (
        f"{album}: 1 files are no images by their names and were passed over, such as notes.txt"
        in result.stderr
    )
    assert "3 pictures, 3 faces, 1 picture without a face, 1 file not readable" in result.stderr


def test_json_is_one_object_a_picture(predict, album):
    pictures = _json(predict(album, "--json"))
    assert [(entry["path"], len(entry["faces"])) for entry in pictures] == [
        (f"{album}/sub/one.jpg", 1),
        (f"{album}/two.png", 2),
        (f"{album}/wall.png", 0),
    ]
    assert (pictures[1]["width"], pictures[1]["height"]) == (480, 360)
    for face in pictures[1]["faces"]:
        assert list(face["probabilities"]) == list(EMOTIONS)
        assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert face["is_unsure"] is face["is_tiny"] is False


@pytest.mark.parametrize("option", [(), ("--int8",)])
def test_whole_pictures_get_the_networks_own_answer(predict, tmp_path, option):
    path = write_photo(tmp_path / "face.png", drawn_faces()[0])
    ((face,),) = (entry["faces"] for entry in _json(predict(path, "--whole", "--json", *option)))
    expected = expected_probabilities(drawn_faces()[:1])[0]
    np.testing.assert_allclose(list(face["probabilities"].values()), expected, atol=1e-5)
    assert face["box"] == [0, 0, 48, 48]
    assert face["score"] is None


def test_below_the_confidence_it_says_unsure(predict, album):
    result = predict(album / "two.png", "--abstain-below", "1")
    assert result.stdout.count(" unsure ") == result.stdout.count("most likely") == 2
    (picture,) = _json(predict(album / "two.png", "--abstain-below", "1", "--json"))
    assert all(face["is_unsure"] for face in picture["faces"])


def test_a_higher_score_finds_fewer_faces(predict, album):
    (picture,) = _json(predict(album / "two.png", "--min-score", "0.99", "--json"))
    assert picture["faces"] == []


def test_annotated_pictures_keep_their_places(predict, album, tmp_path):
    target = tmp_path / "annotated"
    assert predict(album, "--annotate", target).exit_code == 0
    names = sorted(str(path.relative_to(target)) for path in target.rglob("*.*"))
    assert names == ["sub/one.jpg", "two.png", "wall.png"]
    drawn, photo = cv2.imread(str(target / "two.png")), cv2.imread(str(album / "two.png"))
    assert drawn.shape == photo.shape
    assert (drawn != photo).any(axis=2).mean() > 0.01


@pytest.mark.parametrize("name", ["two.png", os.fsdecode(b"caf\xe9.png")])
def test_the_pictures_themselves_are_never_overwritten(predict, album, name):
    write_photo(album / name, photo_of(_TWO))
    before = (album / name).read_bytes()
    with pytest.raises(OutputError, match="is the picture itself"):
        predict(album / name, "--annotate", album)
    assert (album / name).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["x" * 5000], 1, "not found"),
        (["http://"], 1, "http://: "),
        (["--webcam", "2147483648"], 2, "999"),
    ],
)
def test_odd_names_and_numbers_are_one_message(predict, arguments, code, says):
    done = predict(*arguments)
    assert done.exit_code == code
    assert says in done.output


def test_the_score_has_one_default():
    assert inspect.signature(predict_command).parameters["min_score"].default == MIN_SCORE


def test_a_bad_file_that_is_named_is_an_error_and_the_others_are_answered(predict, album):
    result = predict(album / "notes.txt", album / "missing.png", album / "two.png")
    assert result.exit_code == 1
    assert f"error: {album}/notes.txt: not a JPEG" in result.stderr
    assert f"error: {album}/missing.png: not found" in result.stderr
    assert len(result.stdout.splitlines()) == 3


def test_a_folder_in_which_nothing_can_be_read_fails(predict, album):
    for name in ("two.png", "wall.png", "sub/one.jpg"):
        (album / name).write_bytes(b"")
    result = predict(album)
    assert result.exit_code == 1
    assert result.stderr.count("skipped: ") == 4
    assert result.stdout == ""


def test_a_picture_without_a_face_is_an_answer(predict, album):
    result = predict(album / "wall.png")
    assert result.exit_code == 0
    assert "no face" in result.stdout


def test_a_video_is_read_every_nth_frame(predict, tmp_path):
    path = write_video(tmp_path / "clip.avi", num_frames=11, fps=5)
    frames = _json(predict(path, "--every", "5", "--json", "--annotate", tmp_path / "frames"))
    assert [(entry["frame"], entry["seconds"], len(entry["faces"])) for entry in frames] == [
        (0, 0.0, 1),
        (5, 1.0, 1),
        (10, 2.0, 1),
    ]
    assert [path.name for path in (tmp_path / "frames").iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        ((), SourceError, "nothing to look at; name pictures"),
        (("--webcam", "97"), SourceError, "webcam 97 cannot be opened"),
        (("a.png", "--export", "nowhere"), ModelError, r"nowhere/export\.json: not found.*ferflow export"),
    ],
)
def test_an_error_says_the_cure(predict, arguments, kind, reason):
    with pytest.raises(kind, match=reason):
        predict(*arguments)
