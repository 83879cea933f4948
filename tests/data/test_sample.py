"""The sample is the same for the same seed and holds the faults that its documentation promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest

from ferflow.data.drawn.clutter import draw_clutter
from ferflow.data.drawn.sample import SMALLEST, count_classes, draw_sample
from ferflow.data.faces.cascade import HaarDetector, score_faces
from ferflow.data.store import ImageTable, pixel_hashes
from ferflow.labels import EMOTIONS, USAGES

NUM_FACES = 300
NUM_CLUTTER, NUM_EXACT, NUM_NEAR = 12, 9, 6


@pytest.fixture(scope="module")
def sample() -> ImageTable:
    return draw_sample(NUM_FACES, seed=7)


@pytest.fixture(scope="module")
def copies(sample: ImageTable) -> list[np.ndarray]:
    """The rows of each group of pixel-identical images."""
    groups = [np.flatnonzero(sample["sha256"] == digest) for digest in np.unique(sample["sha256"])]
    return [group for group in groups if len(group) > 1]


@pytest.fixture(scope="module")
def shows_face(sample_params) -> Callable[[np.ndarray], np.ndarray]:
    """Which images the face filter keeps with the detector that the sample uses."""
    params = sample_params.face_filter
    detector = HaarDetector(params.haar_looks)
    score = partial(score_faces, detector=detector, accept_score=params.min_score, workers=2)
    return lambda images: score(images) >= params.min_score


def test_draw_sample_has_the_same_bytes_for_the_same_seed(sample):
    again = draw_sample(NUM_FACES, seed=7)

    assert again.images.tobytes() == sample.images.tobytes()
    for name in ("file", "label", "usage", "sha256"):
        np.testing.assert_array_equal(again[name], sample[name])


def test_draw_sample_differs_with_the_seed(sample):
    other = draw_sample(NUM_FACES, seed=8)

    assert not set(other["sha256"]) & set(sample["sha256"])


def test_draw_sample_holds_faces_clutter_and_copies(sample):
    assert sample.images.dtype == np.uint8
    assert sample.images.shape == (NUM_FACES + NUM_CLUTTER + NUM_EXACT + NUM_NEAR, 48, 48)
    np.testing.assert_array_equal(sample["sha256"], pixel_hashes(sample.images))


@pytest.mark.parametrize("num_faces", [SMALLEST, 145, NUM_FACES])
def test_draw_sample_has_each_class_in_each_usage(num_faces):
    table = draw_sample(num_faces, seed=20131)

    places = Counter(zip(table["label"], table["usage"], strict=True))
    assert set(places) == {(emotion, usage) for emotion in EMOTIONS for usage in USAGES}


def test_draw_sample_keeps_eighty_percent_for_training(sample):
    shares = {usage: np.mean(sample["usage"] == usage) for usage in USAGES}

    assert shares["Training"] == pytest.approx(0.8, abs=0.03)
    assert shares["PublicTest"] == pytest.approx(0.1, abs=0.02)
    assert shares["PrivateTest"] == pytest.approx(0.1, abs=0.02)


def test_draw_sample_names_files_as_kaggle_does(sample):
    files = sample["file"].tolist()

    assert files == sorted(set(files))
    numbers = set()
    for file, label, usage in zip(files, sample["label"], sample["usage"], strict=True):
        folder, emotion, name = file.split("/")
        subset, number = name.removesuffix(".jpg").split("_")
        numbers.add(int(number))
        assert (folder, emotion, subset) == ("train" if usage == "Training" else "test", label, usage)
    assert numbers == set(range(len(sample)))


def test_draw_sample_numbers_files_after_shuffling(sample, copies):
    numbers = np.array([int(file[-12:-4]) for file in sample["file"]])

    for emotion in ("angry", "happy", "surprise"):
        assert np.ptp(numbers[sample["label"] == emotion]) > 0.8 * len(sample)
    # Unshuffled, each copy would come in the last rows.
    assert min(numbers[group].max() for group in copies) < 0.9 * NUM_FACES


def test_draw_sample_copies_faces_exactly(copies):
    assert [len(group) for group in copies] == [2] * NUM_EXACT


def test_draw_sample_leaks_every_other_exact_copy(sample, copies):
    usages = [set(sample["usage"][group]) for group in copies]

    assert sum(len(pair) == 2 for pair in usages) == (NUM_EXACT + 1) // 2
    assert all("Training" in pair for pair in usages)
    assert {"PublicTest", "PrivateTest"} <= set.union(*usages)


def test_draw_sample_contradicts_itself_twice(sample, copies):
    assert sum(len(set(sample["label"][group])) == 2 for group in copies) == 2


def test_draw_sample_holds_near_copies(sample):
    pixels = sample.images.reshape(len(sample), -1).astype(np.float64)
    # Of blurred images: resizing loses grain, not shape.
    soft = np.stack([cv2.GaussianBlur(image, (0, 0), 1.5).ravel() for image in sample.images]).astype(float)
    soft -= soft.mean(axis=1, keepdims=True)
    soft /= np.linalg.norm(soft, axis=1, keepdims=True)
    likeness = np.triu(soft @ soft.T, k=1)
    first, second = np.nonzero(likeness > 0.995)
    equal = (pixels[first] == pixels[second]).all(axis=1)

    assert equal.sum() == NUM_EXACT
    assert (~equal).sum() == NUM_NEAR
    across = sample["usage"][first[~equal]] != sample["usage"][second[~equal]]
    assert across.sum() == NUM_NEAR // 2


@pytest.mark.parametrize("num_faces", [140, 141, 999, 1400])
def test_count_classes_adds_up(num_faces):
    counts = count_classes(num_faces)

    assert tuple(counts) == EMOTIONS
    assert sum(counts.values()) == num_faces
    assert counts["disgust"] == min(counts.values()) >= 0.04 * num_faces


def test_draw_sample_refuses_too_few_faces():
    with pytest.raises(ValueError, match="139, expected at least 140"):
        draw_sample(139, seed=0)


def test_draw_sample_draws_faces_that_the_filter_keeps(shows_face):
    table = draw_sample(SMALLEST, seed=3)
    num_clutter = 6

    num_dropped = (~shows_face(table.images)).sum()

    assert num_clutter <= num_dropped <= num_clutter + 0.03 * SMALLEST


def test_draw_clutter_shows_no_face(shows_face):
    generator = np.random.default_rng(5)
    clutter = np.stack([draw_clutter(generator, number) for number in range(70)])

    assert shows_face(clutter).sum() <= 1


def test_draw_clutter_takes_its_kinds_in_turn():
    first = [draw_clutter(np.random.default_rng(1), number) for number in range(14)]

    np.testing.assert_array_equal(first[:7], first[7:])
    assert len({image.tobytes() for image in first}) == 7
