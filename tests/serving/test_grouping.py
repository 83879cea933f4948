"""`--map` and `--classes`: emotions merged or left out."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.errors import SourceError
from ferflow.labels import EMOTIONS
from ferflow.serving.face import Face
from ferflow.serving.grouping import SEVEN, parse_grouping

# angry, disgust, fear, happy, neutral, sad, surprise
_P = np.array([0.10, 0.05, 0.05, 0.30, 0.15, 0.25, 0.10], np.float32)


@pytest.mark.parametrize(
    ("mapping", "classes", "expected"),
    [
        ([], None, dict(zip(EMOTIONS, _P, strict=True))),
        ([], "valence", {"positive": 0.30, "neutral": 0.25, "negative": 0.45}),
        (["surprise=positive"], "valence", {"positive": 0.40, "neutral": 0.15, "negative": 0.45}),
        (["surprise="], "valence", {"positive": 0.30 / 0.9, "neutral": 0.15 / 0.9, "negative": 0.45 / 0.9}),
        ([], "happy, Sad", {"happy": 0.30 / 0.55, "sad": 0.25 / 0.55}),
        (["Disgust=Angry"], "angry,happy", {"angry": 0.15 / 0.45, "happy": 0.30 / 0.45}),
        (
            ["fear=", "disgust=", "angry=", "surprise="],
            None,
            {"happy": 3 / 7, "neutral": 1.5 / 7, "sad": 2.5 / 7},
        ),
    ],
)
def test_merged_probabilities_are_sums_and_the_rest_is_made_whole(mapping, classes, expected):
    grouping = parse_grouping(mapping, classes)
    assert sorted(grouping.labels) == sorted(expected)
    merged = dict(zip(grouping.labels, grouping.merged(_P), strict=True))
    assert merged == pytest.approx(expected, abs=1e-6)


def test_a_face_names_the_class_and_its_calibrated_sum():
    face = Face((0, 0, 9, 9), 0.9, _P, "happy", 0.3, np.zeros((48, 48), np.uint8), is_tiny=False)
    calibrated = np.array([0.14, 0.10, 0.10, 0.22, 0.14, 0.17, 0.13])
    merged = parse_grouping([], "valence").regrouped(face, calibrated)
    assert merged.labels == ("positive", "neutral", "negative")
    assert merged.emotion == "negative"
    assert merged.confidence == pytest.approx(0.51, abs=1e-6)
    assert merged.box == face.box
    assert SEVEN.regrouped(face, calibrated) is face


def test_what_is_left_of_certain_emotions_is_still_a_share():
    certain = np.eye(7, dtype=np.float32)[0]
    merged = parse_grouping([], "happy,sad").merged(certain)
    assert merged.sum() == pytest.approx(1)
    assert np.isfinite(merged).all()


@pytest.mark.parametrize(
    ("mapping", "classes", "reason"),
    [
        (["angry"], None, r"--map 'angry': expected EMOTION=CLASS"),
        (["=x"], None, r"--map '=x': expected EMOTION=CLASS"),
        (
            ["joy=happy"],
            None,
            r"'joy' is no emotion that the network tells; expected one of angry, .*surprise",
        ),
        (["angry=a b"], None, r"--map 'angry=a b': expected a class named by letters"),
        (["angry=x", "Angry=y"], None, r"--map names 'angry' twice"),
        ([], "joy,sad", r"--classes 'joy,sad': 'joy' is no class; expected 'valence', or some of angry"),
        ([], "", r"'' is no class"),
        ([], "sad,sad", r"names 'sad' twice"),
        ([], "sad", r"leave sad, expected two classes or more"),
        ([f"{name}=" for name in EMOTIONS], None, r"leave no class, expected two"),
        (["angry=bad"], "happy,angry", r"'angry' is no class; expected 'valence', or some of bad, "),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(mapping, classes, reason):
    with pytest.raises(SourceError, match=reason):
        parse_grouping(mapping, classes)
