"""Intervals and adjusted p-values, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from ferflow.model.statistics import holm, wilson_interval, worst_sum


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_wilson_interval_is_scipys(level):
    right = np.array([0, 1, 3, 50, 99, 100, 7000])
    total = np.array([1, 1, 7, 100, 100, 100, 7178])
    low, high = wilson_interval(right, total, confidence_level=level)
    for number, (some, all_) in enumerate(zip(right.tolist(), total.tolist(), strict=True)):
        expected = binomtest(some, all_).proportion_ci(level, method="wilson")
        assert (low[number], high[number]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (low >= 0).all()
    assert (high <= 1).all()


def test_holm_multiplies_by_the_number_of_tests_that_are_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0.5, 0.5], [0.1, 0.905]], None),
        ([[0.5, 0.5], [0.1, 0.8], [0.5, 0.4]], (1, 0.9)),
        ([[0.5, 0.7], [0.1, 0.2]], (1, 0.3)),
    ],
)
def test_the_row_that_is_farthest_from_adding_up_to_one(rows, expected):
    found = worst_sum(np.array(rows))
    assert found == (None if expected is None else (expected[0], pytest.approx(expected[1])))


def test_what_is_no_number_adds_up_to_nothing():
    row, total = worst_sum(np.array([[0.2, 0.1], [np.nan, 0.5]]))
    assert (row, np.isnan(total)) == (1, True)
