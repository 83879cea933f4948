"""Who is who in a video: faces that cross, hide, come and go; and the smoothing of their probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferflow import Predictor
from ferflow.labels import EMOTIONS
from ferflow.serving.face import Face
from ferflow.serving.tracks import Tracker
from tests.serving.videos import SIZE, crossing, walked

_FPS = 25


@pytest.fixture(scope="module")
def predictor(export_folder) -> Predictor:
    return Predictor(export_folder)


def _face(box, probabilities=None, *, shade=0) -> Face:
    values = np.full(7, 1 / 7, np.float32) if probabilities is None else np.asarray(probabilities, np.float32)
    crop = np.random.default_rng(shade).integers(0, 256, (48, 48)).astype(np.uint8)
    emotion = EMOTIONS[int(values.argmax())]
    return Face(box, 0.9, values, emotion, float(values.max()), crop, is_tiny=False)


def _places(predictor, frames, *, step):
    """For each track the centres of its boxes over time."""
    tracker, places = Tracker(predictor), {}
    for number in range(0, len(frames), step):
        for face in tracker.follow(predictor.predict(frames[number]), number / _FPS):
            places.setdefault(face.track, []).append(face.box[0] + face.box[2] / 2)
    return places


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 5])
@pytest.mark.parametrize(("left", "right", "rise"), [(0, 1, 0), (2, 3, 20), (0, 0, 10)])
def test_two_faces_that_cross_keep_their_identity(predictor, left, right, rise, step):
    """One is hidden by the other for a while; the last pair is one face twice, so that motion alone tells."""
    places = _places(predictor, crossing(60, left=left, right=right, rise=rise), step=step)
    assert sorted(places) == [1, 2]
    middle = SIZE[1] / 2
    assert places[1][0] < middle < places[1][-1]
    assert places[2][0] > middle > places[2][-1]
    for way, sign in ((places[1], 1), (places[2], -1)):
        assert (sign * np.diff(way) > 0).mean() > 0.95


def test_a_face_that_turns_round_keeps_its_number(predictor):
    frames = walked(50, lambda number: (round(248 + 200 * math.sin(number / 6)), 100))
    assert list(_places(predictor, frames, step=2)) == [1]


def test_a_face_that_was_away_for_a_second_is_known_and_after_longer_is_another(predictor):
    tracker = Tracker(predictor)
    box = (100, 100, 80, 80)
    for number in range(5):
        tracker.follow([_face(box)], number / _FPS)
    for number in range(5, 30):
        assert tracker.follow([], number / _FPS) == []
    assert [face.track for face in tracker.follow([_face(box)], 30 / _FPS)] == [1]
    for number in range(31, 100):
        tracker.follow([], number / _FPS)
    assert [face.track for face in tracker.follow([_face(box)], 100 / _FPS)] == [2]


@pytest.mark.parametrize("box", [(300, 100, 80, 80), (80, 80, 200, 200)])
def test_a_face_far_away_or_of_another_size_is_another(predictor, box):
    tracker = Tracker(predictor)
    tracker.follow([_face((100, 100, 80, 80))], 0.0)
    assert [face.track for face in tracker.follow([_face(box)], 0.04)] == [2]


def test_of_two_faces_at_one_place_the_one_that_looks_alike_is_taken(predictor):
    tracker = Tracker(predictor)
    one, two = (100, 100, 80, 80), (104, 100, 80, 80)
    tracker.follow([_face(one, shade=1), _face(two, shade=2)], 0.0)
    swapped = tracker.follow([_face(one, shade=2), _face(two, shade=1)], 0.04)
    assert [face.track for face in swapped] == [2, 1]


def test_probabilities_are_an_exponential_mean_over_time(predictor):
    tracker = Tracker(predictor, smooth=0.5)
    happy, sad = np.eye(7)[EMOTIONS.index("happy")], np.eye(7)[EMOTIONS.index("sad")]
    (first,) = tracker.follow([_face((0, 0, 50, 50), happy)], 0.0)
    np.testing.assert_array_equal(first.probabilities, happy)
    (second,) = tracker.follow([_face((0, 0, 50, 50), sad)], 0.2)
    weight = 1 - math.exp(-0.2 / 0.5)
    np.testing.assert_allclose(second.probabilities, happy + weight * (sad - happy), atol=1e-6)
    assert second.emotion == "happy"
    assert second.confidence == pytest.approx(predictor.confidence(second.probabilities), abs=1e-6)
    (third,) = tracker.follow([_face((0, 0, 50, 50), sad)], 2.0)
    assert third.emotion == "sad"
    assert third.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_without_smoothing_each_look_speaks_for_itself(predictor):
    tracker = Tracker(predictor, smooth=0)
    tracker.follow([_face((0, 0, 50, 50), np.eye(7)[0])], 0.0)
    (face,) = tracker.follow([_face((0, 0, 50, 50), np.eye(7)[1])], 0.04)
    np.testing.assert_array_equal(face.probabilities, np.eye(7)[1])


def test_between_two_looks_boxes_move_on(predictor):
    tracker = Tracker(predictor)
    for number in range(6):
        tracker.follow([_face((100 + 20 * number, 50, 60, 60))], number / 5)
    (moved,) = tracker.between(5.5 / 5)
    assert moved.box[0] == pytest.approx(210, abs=5)
    assert moved.track == 1
    tracker.follow([], 6 / 5)
    assert tracker.between(6.5 / 5) == []
