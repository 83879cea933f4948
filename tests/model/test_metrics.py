"""Tests of the figures."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import rankdata

from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.model.metrics import (
    accuracy_interval,
    calibration,
    confusion_matrix,
    roc_curves,
    score,
    score_classes,
)


def _dirichlet(num_images: int, *, seed: int = 0, classes=range(7), strength: float = 3.0):
    """Labels and probabilities that lean towards them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(list(classes), num_images).astype(np.uint8)
    weights = np.ones((num_images, 7)) + strength * np.eye(7)[labels]
    probabilities = np.stack([generator.dirichlet(row) for row in weights])
    return labels, probabilities


def _score(labels, probabilities):
    return score(labels, probabilities, confidence_level=0.95, calibration_bins=15)


@pytest.fixture
def four_images():
    """Labels angry, angry, happy, sad; the second is taken for happy, the last for sad."""
    labels = np.array([0, 0, 3, 5], np.uint8)
    probabilities = np.zeros((4, 7))
    probabilities[0, [0, 3]] = 0.9, 0.1
    probabilities[1, [3, 0]] = 0.6, 0.4
    probabilities[2, [3, 0]] = 0.8, 0.2
    probabilities[3, 5] = 1.0
    return labels, probabilities


def test_score_gives_the_figures_worked_out_by_hand(four_images):
    scores = _score(*four_images)

    assert scores.num_images == 4
    assert scores.accuracy == scores.recall_weighted == 0.75
    assert scores.precision_weighted == pytest.approx((2 * 1 + 1 * 0.5 + 1 * 1) / 4)
    assert scores.f1_weighted == pytest.approx((2 * 2 / 3 + 2 / 3 + 1) / 4, abs=1e-6)
    assert scores.f1_macro == pytest.approx((2 / 3 + 2 / 3 + 1) / 3, abs=1e-6)
    # angry: 0.5 found, none false; happy: found, 1 of 3 false; sad: perfect.
    assert scores.auc_hard_ovr_weighted == pytest.approx((2 * 0.75 + 5 / 6 + 1) / 4, abs=1e-6)
    assert scores.auc_ovr_weighted == 1.0
    assert scores.ece == pytest.approx((0.1 + 0.6 + 0.2 + 0.0) / 4)


def test_score_of_ovr_area_is_the_rank_statistic_weighted_by_support():
    labels, probabilities = _dirichlet(500)
    areas, supports = [], []
    for index in range(7):
        positive = labels == index
        ranks = rankdata(probabilities[:, index])[positive]
        pairs = positive.sum() * (~positive).sum()
        areas.append((ranks.sum() - positive.sum() * (positive.sum() + 1) / 2) / pairs)
        supports.append(positive.sum())

    assert _score(labels, probabilities).auc_ovr_weighted == pytest.approx(
        np.average(areas, weights=supports), abs=1e-6
    )
    assert [entry.auc for entry in score_classes(labels, probabilities).values()] == pytest.approx(
        areas, abs=1e-6
    )


def test_score_keeps_the_two_areas_apart():
    scores = _score(*_dirichlet(2000))

    assert scores.auc_ovr_weighted > scores.auc_hard_ovr_weighted + 0.05


def test_score_rounds_to_six_decimals():
    scores = asdict(_score(*_dirichlet(301)))

    assert all(value == round(value, 6) for value in scores.values())


def test_score_of_an_absent_class_counts_in_no_mean():
    labels, probabilities = _dirichlet(200, classes=[0, 2, 3, 4, 5, 6])
    classes = score_classes(labels, probabilities)
    scores = _score(labels, probabilities)

    assert asdict(classes["disgust"]) == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "auc": None,
    }
    others = [entry for emotion, entry in classes.items() if emotion != "disgust"]
    assert scores.f1_macro == pytest.approx(np.mean([entry.f1 for entry in others]), abs=1e-6)
    weights = [entry.support for entry in others]
    assert scores.auc_ovr_weighted == pytest.approx(
        np.average([entry.auc for entry in others], weights=weights), abs=1e-6
    )


def test_score_of_one_class_alone_has_no_area():
    labels, probabilities = _dirichlet(20, classes=[3])
    scores = _score(labels, probabilities)

    assert scores.auc_ovr_weighted is None
    assert scores.auc_hard_ovr_weighted is None
    assert scores.accuracy is not None
    assert score_classes(labels, probabilities)["happy"].auc is None


def test_score_of_no_images_is_none_throughout():
    scores = asdict(_score(np.empty(0, np.uint8), np.empty((0, 7))))

    assert scores.pop("num_images") == 0
    assert set(scores.values()) == {None}


def test_score_classes_of_a_class_never_predicted_has_precision_zero():
    labels = np.array([0, 1], np.uint8)
    probabilities = np.eye(7)[[0, 0]]

    assert score_classes(labels, probabilities)["disgust"].precision == 0


def test_accuracy_interval_is_wilsons():
    # p = 0.5, n = 10, z = 1.959964: (0.5 + z^2/20 -+ z sqrt(0.025 + z^2/400)) / (1 + z^2/10)
    assert accuracy_interval(5, 10, confidence_level=0.95) == pytest.approx((0.236593, 0.763407), abs=1e-6)


def test_accuracy_interval_stays_within_zero_and_one():
    low, high = accuracy_interval(10, 10, confidence_level=0.95)

    assert 0 < low < high == 1


def test_accuracy_interval_is_wider_at_a_higher_level():
    narrow = accuracy_interval(600, 1000, confidence_level=0.8)
    wide = accuracy_interval(600, 1000, confidence_level=0.99)

    assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]


def test_confusion_matrix_counts_true_by_predicted():
    matrix = confusion_matrix(np.array([0, 0, 6], np.uint8), np.array([0, 6, 6]))

    assert matrix.shape == (7, 7)
    assert (matrix[0, 0], matrix[0, 6], matrix[6, 6], matrix.sum()) == (1, 1, 1, 3)


def test_calibration_puts_an_edge_into_the_lower_bin():
    probabilities = np.array([[0.5, 0.3, 0.2, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0]])
    bins = calibration(np.array([0, 1], np.uint8), probabilities, num_bins=2)

    assert bins.count.tolist() == [1, 1]
    assert (bins.low.tolist(), bins.high.tolist()) == ([0, 0.5], [0.5, 1])
    assert bins.accuracy.tolist() == [1.0, 0.0]
    assert bins.expected_error() == pytest.approx((0.5 + 1.0) / 2)


def test_calibration_puts_what_rounding_raised_above_one_into_the_last_bin():
    probabilities = np.array([[1 + 1e-12, 0, 0, 0, 0, 0, 0]])
    assert calibration(np.array([0], np.uint8), probabilities, num_bins=4).count.tolist() == [0, 0, 0, 1]


def test_calibration_of_honest_probabilities_has_a_small_error():
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet(np.full(7, 0.5), 20_000)
    labels = (generator.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=6)

    assert calibration(labels, probabilities, num_bins=15).expected_error() < 0.02
    assert calibration((labels + 1) % 7, probabilities, num_bins=15).expected_error() > 0.3


def test_roc_curves_rise_from_zero_to_one_within_the_bound():
    curves = roc_curves(*_dirichlet(3000), max_points=50)

    assert [curve.name for curve in curves] == [*EMOTIONS, "weighted"]
    for curve in curves:
        rates = np.stack([curve.false_positive_rate, curve.true_positive_rate])
        assert rates.shape[1] <= 51
        assert rates[:, 0].tolist() == [0, 0]
        assert rates[:, -1].tolist() == [1, 1]
        assert (np.diff(rates) >= 0).all()


def test_roc_curves_have_at_most_200_points_where_nothing_else_is_said():
    assert {len(curve.true_positive_rate) for curve in roc_curves(*_dirichlet(3000))[:-1]} == {200}


def test_roc_curves_mean_has_the_weighted_area():
    labels, probabilities = _dirichlet(3000)
    mean = roc_curves(labels, probabilities)[-1]
    area = np.trapezoid(mean.true_positive_rate, mean.false_positive_rate)

    assert area == pytest.approx(_score(labels, probabilities).auc_ovr_weighted, abs=2e-3)


def test_roc_curves_leave_out_an_absent_class():
    names = [curve.name for curve in roc_curves(*_dirichlet(200, classes=[0, 3]))]

    assert names == ["angry", "happy", "weighted"]
    assert roc_curves(*_dirichlet(20, classes=[3])) == []


def test_paper_counts_add_up_to_the_published_totals():
    assert sum(counts.train for counts in paper.DATASET.values()) == 28_709
    assert sum(counts.test for counts in paper.DATASET.values()) == 7_178
    assert sum(paper.TEST_COUNTS.values()) == 7_047
    assert list(paper.DATASET) == list(paper.TEST_COUNTS) == list(paper.CLASS_RECALLS) == list(EMOTIONS)


def test_paper_recalls_give_less_than_its_accuracy():
    weights = list(paper.TEST_COUNTS.values())
    recall = np.average(list(paper.CLASS_RECALLS.values()), weights=weights)

    assert recall == pytest.approx(0.678, abs=5e-4)
    assert 100 * recall < paper.ACCURACY
