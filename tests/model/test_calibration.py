"""Tests of temperature scaling and of what abstaining gains."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.model.calibration import (
    COVERAGES,
    Answered,
    calibrated,
    choose_thresholds,
    coverage_curve,
    fit_temperature,
    scaled,
)
from ferflow.model.metrics import accuracy_interval


def _honest(num_images=20_000, seed=0, concentration=0.5):
    """Labels that are drawn from the probabilities themselves: perfect calibration."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(7, concentration), num_images)
    labels = (probabilities.cumsum(axis=1) < generator.random((num_images, 1))).sum(axis=1)
    return labels.clip(0, 6), probabilities


def _sharpened(probabilities, temperature):
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _confident(*values, label=0):
    """Images whose answer is class 0 with the given confidences."""
    rows = np.full((len(values), 7), 0.0)
    rows[:, label] = values
    rows[:, 6] = 1 - np.array(values)
    return rows


def _calibrated(labels, probabilities, *, temperature=1.0, thresholds=None):
    return calibrated(
        labels, probabilities, temperature=temperature, thresholds=thresholds or {}, calibration_bins=15
    )


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_temperature_undoes_what_made_honest_probabilities_too_sure_or_unsure(true):
    labels, probabilities = _honest()
    fitted = fit_temperature(labels, _sharpened(probabilities, 1 / true))

    assert fitted == pytest.approx(true, rel=0.03)
    assert fitted == round(fitted, 4)


def test_temperature_is_that_of_a_fine_grid():
    labels, probabilities = _honest(300, seed=4)
    probabilities = _sharpened(probabilities, 0.6).clip(5e-7)
    grid = np.arange(0.5, 3, 0.001)
    likelihoods = [np.log(_sharpened(probabilities, value)[np.arange(300), labels]).mean() for value in grid]

    assert fit_temperature(labels, probabilities) == pytest.approx(grid[np.argmax(likelihoods)], abs=0.001)


def test_temperature_of_images_that_are_all_right_stays_in_its_bounds():
    assert 0.05 <= fit_temperature(np.zeros(3, np.uint8), _confident(0.9, 0.8, 0.7)) < 0.06
    assert 19 < fit_temperature(np.full(3, 1), _confident(0.9, 0.8, 0.7)) <= 20


def test_scaling_keeps_the_answer_and_moves_the_confidence():
    _, probabilities = _honest(500)
    softer, sharper = scaled(probabilities, 2.0), scaled(probabilities, 0.5)

    assert np.array_equal(softer.argmax(axis=1), probabilities.argmax(axis=1))
    assert np.all(softer.max(axis=1) < probabilities.max(axis=1))
    assert np.all(sharper.max(axis=1) >= softer.max(axis=1))
    assert scaled(np.array([[0.8, 0.2, 0, 0, 0, 0, 0]]), 2.0)[0, 0] == pytest.approx(2 / 3, abs=0.002)
    assert scaled(probabilities, None) is probabilities


def test_scaling_lowers_the_calibration_error_of_a_network_that_is_too_sure():
    labels, honest = _honest()
    sure = _sharpened(honest, 0.4)
    before = _calibrated(labels, sure).ece_calibrated
    after = _calibrated(labels, sure, temperature=fit_temperature(labels, sure)).ece_calibrated

    assert before > 0.1
    assert after < 0.02


def test_coverage_and_accuracy_are_those_worked_out_by_hand():
    # By falling confidence: right, right, wrong, right, wrong; the last two are equally sure.
    labels = np.array([0, 1, 0, 0, 1])
    probabilities = _confident(0.9, 0.7, 0.8, 0.6, 0.6)
    thresholds = {"0.9": 0.75, "0.95": None}
    found = _calibrated(labels, probabilities, temperature=None, thresholds=thresholds).abstention

    assert found.by_confidence["0.7"] == Answered(0.7, 0.6, 0.666667)
    assert found.by_confidence["0.95"] == Answered(0.95, 0.0, None)
    assert found.by_coverage["1.0"] == Answered(0.6, 1.0, 0.6)
    assert found.by_coverage["0.5"] == Answered(0.7, 0.6, 0.666667)
    # Images of one confidence are answered together.
    assert found.by_coverage["0.7"] == Answered(0.6, 1.0, 0.6)
    assert found.by_accuracy == {"0.9": Answered(0.75, 0.4, 1.0), "0.95": Answered(None, None, None)}
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 0.4 + 0.4) / 5, abs=1e-6)


def test_abstention_without_images_is_undefined():
    found = _calibrated(np.zeros(0, np.uint8), np.zeros((0, 7)), thresholds={"0.9": 0.75})

    assert found.ece_calibrated is None
    assert found.abstention.aurc is None
    assert found.abstention.by_coverage == dict.fromkeys(COVERAGES, Answered(None, None, None))
    assert found.abstention.by_accuracy == {"0.9": Answered(0.75, None, None)}


def test_without_a_temperature_there_is_no_calibrated_error_but_abstention():
    found = _calibrated(np.array([0, 0]), _confident(0.9, 0.6), temperature=None)

    assert found.ece_calibrated is None
    assert found.abstention.by_coverage["1.0"].accuracy == 1.0


def test_chosen_threshold_is_the_lowest_that_reaches_the_accuracy_for_sure():
    labels, probabilities = _honest(4000, seed=2, concentration=0.2)
    curve = coverage_curve(labels, scaled(probabilities, 1.0))
    chosen = choose_thresholds(curve, confidence_level=0.95)
    answered = probabilities.max(axis=1).round(6) >= chosen["0.8"]
    right = probabilities.argmax(axis=1)[answered] == labels[answered]
    low, _ = accuracy_interval(int(right.sum()), len(right), confidence_level=0.95)

    assert list(chosen) == ["0.7", "0.8", "0.9", "0.95"]
    assert chosen["0.7"] < chosen["0.8"] < chosen["0.9"]
    assert low >= 0.8
    assert right.mean() < 0.83
    # On other images of the kind the promise holds.
    other_labels, others = _honest(4000, seed=3, concentration=0.2)
    promised = _calibrated(other_labels, others, thresholds=chosen).abstention.by_accuracy["0.8"]
    assert promised.accuracy > 0.79


def test_a_few_right_answers_are_not_enough_for_a_threshold_and_all_right_ones_need_none():
    few = choose_thresholds(coverage_curve(np.zeros(8, int), _confident(*[0.9] * 8)), confidence_level=0.95)
    many = choose_thresholds(
        coverage_curve(np.zeros(500, int), _confident(*np.linspace(0.6, 0.9, 500))), confidence_level=0.95
    )

    assert few == {"0.7": None, "0.8": None, "0.9": None, "0.95": None}
    assert many == {"0.7": 0.0, "0.8": 0.0, "0.9": 0.0, "0.95": 0.0}
