"""The check by copies: counts by hand, and areas of rankings that are right, wrong and blind."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.insight.contradictions import check_by_copies
from ferflow.insight.label_errors import LabelErrors


def _errors(scores, ranked=()):
    return LabelErrors(np.array(ranked, np.int64), np.array(scores, float), np.zeros(len(scores), np.uint8))


def test_contradicted_and_confirmed_images_are_counted_over_all_subsets():
    # a: contradicted by a row that is not out of sample; b: confirmed; c: alone; d: contradicted.
    copies = np.array(["a", "a", "b", "b", "c", "d", "d"])
    labels = np.array(["sad", "fear", "happy", "happy", "sad", "sad", "angry"])
    errors = _errors([0.1, 0.6, 0.9, 0.5, 0.2, 0.7], ranked=[0, 4, 1])
    check = check_by_copies(errors, rows=np.array([0, 2, 3, 4, 5, 6]), copies=copies, labels=labels, seed=1)

    assert (check.num_contradicted, check.num_groups) == (3, 2)
    assert (check.num_contradicted_found, check.num_groups_found) == (2, 2)
    assert (check.num_confirmed, check.num_confirmed_found) == (2, 1)
    # Scores 0.1, 0.2, 0.7 against 0.6, 0.9: five of six pairs in the right order.
    assert check.area == pytest.approx(5 / 6, abs=1e-4)
    assert check.area_low is None  # One confirmed picture alone has no interval.


@pytest.mark.parametrize(("shift", "low", "high"), [(-2, 0.95, 1.0), (2, 0.0, 0.05), (0, 0.4, 0.6)])
def test_the_interval_says_what_a_ranking_is_worth(shift, low, high):
    random = np.random.default_rng(2)
    copies = np.repeat(np.arange(200), 2).astype(str)
    labels = np.where(np.arange(400) % 4 == 0, "sad", "happy")  # Every other picture is contradicted.
    scores = random.normal(size=400) * 0.6 + np.where(np.arange(400) % 4 < 2, shift, 0)
    check = check_by_copies(_errors(scores), rows=np.arange(400), copies=copies, labels=labels, seed=1)
    assert check.num_contradicted == check.num_confirmed == 200
    assert low <= check.area_low < check.area < check.area_high <= high or check.area in (0.0, 1.0)


def test_without_copies_nothing_is_defined():
    names = np.array(["a", "b", "c"])
    check = check_by_copies(_errors([0.1, 0.2, 0.3]), rows=np.arange(3), copies=names, labels=names, seed=1)
    assert (check.num_contradicted, check.num_confirmed, check.area) == (0, 0, None)
