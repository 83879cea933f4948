"""The gallery: which answers it shows, and that faces, heat and captions are in it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferflow.explain.heatmap import Run
from ferflow.labels import EMOTIONS
from ferflow.reporting.gallery import surest_answers, write_gallery
from tests.reporting.conftest import make_scored


def _maps(images: np.ndarray) -> np.ndarray:
    """Hot at the top."""
    maps = np.zeros((len(images), len(EMOTIONS), 3, 3), np.float32)
    maps[:, :, 0] = 1
    return maps


def _never(images: np.ndarray) -> np.ndarray:
    raise AssertionError("the gallery has the answers already")


_run = Run(_never, _maps)


@pytest.fixture(scope="module")
def scored_answers():
    scored = make_scored(num_images=200)
    return {"images": scored.images, "labels": scored.labels, "probabilities": scored.probabilities}


def test_surest_answers_are_three_right_and_three_wrong_ones_a_class(scored_answers):
    rows = surest_answers(**scored_answers)
    labels, probabilities = scored_answers["labels"], scored_answers["probabilities"]
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    assert len(set(rows)) == len(rows) == 42
    for emotion, group in enumerate(rows.reshape(7, 2, 3)):
        assert set(labels[group.ravel()]) == {emotion}
        for is_right, chosen in zip((True, False), group, strict=True):
            candidates = confidence[(labels == emotion) & ((predicted == emotion) == is_right)]
            np.testing.assert_array_equal(confidence[chosen], np.sort(candidates)[::-1][:3])


def test_surest_answers_show_copies_of_a_picture_once(scored_answers):
    rows = surest_answers(**scored_answers)
    images = scored_answers["images"].copy()
    images[rows[1]] = np.clip(images[rows[0]] * 0.9 + 5, 0, 255)
    images[rows[4]] = images[rows[3]] = 0
    others = surest_answers(**scored_answers | {"images": images})
    assert others[0] == rows[0]
    assert {rows[1], rows[4]}.isdisjoint(others)
    assert len(others) == 42


def test_gallery_shows_the_heat_beside_each_face(scored_answers, tmp_path):
    for name in ("one.png", "two.png"):
        write_gallery(tmp_path / name, _run, **scored_answers)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    write_gallery(tmp_path / "cold.png", Run(_never, lambda images: -_maps(images)), **scored_answers)
    hot, cold = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("one.png", "cold.png"))
    assert hot.shape == cold.shape
    changed = np.abs(hot - cold).max(axis=2) > 30
    # 42 overlays whose upper part is hot.
    num_spots, _, boxes, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7)))
    )
    assert sum(box[cv2.CC_STAT_AREA] > 500 for box in boxes[1:]) == 42, num_spots


def test_gallery_says_where_a_class_has_no_such_answer(tmp_path):
    scored = make_scored(num_images=60, classes=[0, 3])
    probabilities = np.eye(7)[scored.labels]
    rows = surest_answers(scored.images, scored.labels, probabilities)
    assert len(rows) == 6
    write_gallery(
        tmp_path / "gallery.png",
        _run,
        images=scored.images,
        labels=scored.labels,
        probabilities=probabilities,
    )
    assert cv2.imread(str(tmp_path / "gallery.png")) is not None
