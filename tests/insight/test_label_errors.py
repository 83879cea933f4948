"""Label errors: planted ones are found, and what stops the search says the cure."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from ferflow.data.drawn.sample import draw_sample
from ferflow.data.split import label_indices
from ferflow.errors import DataError, FerflowError
from ferflow.insight.label_errors import CleanlabMissingError, find_label_errors, pair_counts


def out_of_sample(features, labels, *, folds=5):
    """Probabilities of kernel ridge classifiers that each were fitted without the rows they answer for."""
    kernel = features @ features.T
    fold = np.random.default_rng(0).permutation(len(labels)) % folds
    probabilities = np.zeros((len(labels), 7))
    for number in range(folds):
        seen = fold != number
        targets = np.eye(7)[labels[seen]] - 1 / 7
        weights = np.linalg.solve(kernel[np.ix_(seen, seen)] + 10 * np.eye(seen.sum()), targets)
        powers = np.exp(4 * kernel[np.ix_(~seen, seen)] @ weights)
        probabilities[~seen] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def gradients(images):
    """Histograms of oriented gradients, centred."""
    describer = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = np.stack([describer.compute(image).ravel() for image in images]).astype(np.float64)
    return features - features.mean(axis=0)


def test_labels_that_were_flipped_come_first():
    sample = draw_sample(420, seed=1)
    labels = label_indices(sample["label"])
    random = np.random.default_rng(0)
    planted = random.choice(len(labels), len(labels) // 10, replace=False)
    labels[planted] = (labels[planted] + random.integers(1, 7, len(planted))) % 7
    errors = find_label_errors(labels, out_of_sample(gradients(sample.images), labels))

    first = errors.ranked[: 2 * len(planted)]
    assert np.isin(planted, first).mean() > 0.8  # Drawing lots would find 0.2 of them.
    assert np.isin(planted, errors.ranked[: len(planted)]).mean() > 0.5
    assert len(errors.ranked) < len(labels) / 3


def _probabilities(labels, *, wrong=()):
    """Sure answers that agree with the labels, but for the rows `wrong`, where class 3 is answered."""
    answers = labels.copy()
    answers[list(wrong)] = 3
    sureness = np.linspace(0.7, 0.9, len(labels))[:, np.newaxis]
    return np.where(np.eye(7)[answers] > 0, sureness, (1 - sureness) / 6)


def test_the_ranking_goes_by_the_margin_and_names_the_answer():
    labels = (np.arange(140) % 7).astype(np.uint8)
    errors = find_label_errors(labels, _probabilities(labels, wrong=(112, 119, 126)))
    assert errors.ranked.tolist() == [126, 119, 112]
    assert errors.suggested[errors.ranked].tolist() == [3, 3, 3]
    assert errors.is_likely_error().sum() == 3
    p_other = 0.7 + 0.2 * 126 / 139
    assert errors.scores[126] == pytest.approx(((1 - p_other) / 6 - p_other + 1) / 2)
    assert pair_counts(labels[errors.ranked], errors.suggested[errors.ranked]) == [("angry", "happy", 3)]


def test_the_most_frequent_pair_stands_first():
    labels, suggested = np.array([0, 5, 5, 4, 5]), np.array([3, 4, 4, 5, 2])
    pairs = pair_counts(labels, suggested)
    assert pairs[0] == ("sad", "neutral", 2)
    assert sorted(count for *_, count in pairs[1:]) == [1, 1, 1]


def test_classes_without_images_are_no_obstacle():
    labels = np.resize(np.array([0, 3, 6], np.uint8), 60)
    assert find_label_errors(labels, _probabilities(labels, wrong=(57,))).ranked.tolist() == [57]


def test_right_labels_give_no_error():
    labels = (np.arange(70) % 7).astype(np.uint8)
    errors = find_label_errors(labels, _probabilities(labels))
    assert len(errors.ranked) == 0
    assert pair_counts(labels[errors.ranked], errors.suggested[errors.ranked]) == []


def test_one_class_alone_is_refused():
    labels = np.full(10, 3, np.uint8)
    with pytest.raises(DataError, match="all 10 images out of sample are happy, expected at least two"):
        find_label_errors(labels, _probabilities(labels))


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    labels = (np.arange(70) % 7).astype(np.uint8)
    with pytest.raises(
        CleanlabMissingError, match=r"cleanlab is not installed.*ferflow\[insight\]"
    ) as caught:
        find_label_errors(labels, _probabilities(labels))
    assert isinstance(caught.value, FerflowError)
