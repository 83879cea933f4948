"""Annotated pictures: what is drawn, and what it hides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferflow.errors import OutputError
from ferflow.labels import EMOTIONS
from ferflow.serving.annotate import annotated, write_picture
from ferflow.serving.face import Face

_RED, _BLUE = (0, 94, 213), (233, 180, 86)  # of angry and sad, blue first


def _face(left: int, top: int, side: int, emotion: str = "angry") -> Face:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[EMOTIONS.index(emotion)] = 0.7
    return Face(
        (left, top, side, side), 0.9, probabilities, emotion, 0.7, np.zeros((48, 48), np.uint8), False
    )


def _share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour).max(axis=2) < 12).mean())


@pytest.mark.parametrize("wall", [0, 128, 255])
def test_boxes_and_words_stand_out_on_dark_and_light(wall):
    picture = np.full((600, 800), wall, np.uint8)
    drawn = annotated(picture, [_face(300, 200, 200)])
    assert drawn.shape == (600, 800, 3)
    assert _share(drawn, _RED) > 0.003
    # White words on a dark ground, whatever is below.
    label = drawn[184:198, 308:390]
    assert (label.min(axis=2) > 150).mean() > 0.05
    assert (label.max(axis=2) < 40).mean() > 0.5
    assert picture.max() == picture.min() == wall


def test_no_face_leaves_the_picture_as_it_is():
    picture = np.full((600, 800, 3), 77, np.uint8)
    np.testing.assert_array_equal(annotated(picture, []), picture)


def test_a_small_picture_is_enlarged():
    assert annotated(np.zeros((48, 36), np.uint8), [_face(5, 5, 20)]).shape == (480, 360, 3)


def test_an_unsure_answer_has_no_colour_of_an_emotion():
    picture = np.zeros((600, 800), np.uint8)
    assert _share(annotated(picture, [_face(300, 200, 200)], abstain_below=0.8), _RED) == 0


def test_labels_of_neighbours_hide_no_face_where_there_is_room():
    faces = [_face(40 + 180 * column, 60 + 180 * row, 100, "sad") for row in range(3) for column in range(4)]
    picture = np.full((640, 800), 200, np.uint8)
    drawn = annotated(picture, faces)
    for face in faces:
        left, top, side, _ = face.box
        inside = drawn[top + 6 : top + side - 6, left + 6 : left + side - 6]
        assert (inside == 200).all()
    assert _share(drawn, _BLUE) > 0.02


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_picture_is_written_in_the_format_of_its_name(tmp_path, suffix):
    path = tmp_path / "folder" / f"picture{suffix}"
    write_picture(path, np.full((50, 60, 3), 90, np.uint8))
    assert cv2.imread(str(path)).shape == (50, 60, 3)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_picture(tmp_path / "file" / "picture.png", np.zeros((5, 5, 3), np.uint8))


def test_labels_of_faces_close_together_do_not_hide_each_other():
    picture = np.full((600, 800), 200, np.uint8)
    faces = [_face(300, 200, 44), _face(348, 200, 44)]

    def label_pixels(drawn: np.ndarray) -> int:
        return int((np.abs(drawn.astype(int) - (25, 25, 25)).max(axis=2) < 12).sum())

    alone = sum(label_pixels(annotated(picture, [face])) for face in faces)
    assert label_pixels(annotated(picture, faces)) > 0.97 * alone
