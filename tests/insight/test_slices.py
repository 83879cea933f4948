"""Slices: bins, accuracies, the difference within emotions, and p-values for many at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from ferflow.insight.slices import bins_of, slice_by
from ferflow.insight.traits import Trait
from ferflow.model.metrics import accuracy_interval


def _slices(trait, labels, right):
    return slice_by([trait], labels.astype(np.uint8), right, confidence_level=0.95)


def test_bins_are_quarters_and_name_their_range():
    trait = Trait("light", "", np.arange(100.0)[::-1])
    bins = bins_of(trait)
    assert [name for name, _ in bins] == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    assert sorted(np.concatenate([rows for _, rows in bins]).tolist()) == list(range(100))
    assert sorted(bins[0][1].tolist()) == list(range(75, 100))


def test_values_that_could_not_be_measured_are_a_bin_only_where_it_has_a_name():
    values = np.array([1.0, np.nan, 2.0, 3.0, 4.0, np.nan])
    named = bins_of(Trait("turn", "", values, unmeasured="no face"))
    assert (named[-1][0], named[-1][1].tolist()) == ("no face", [1, 5])
    assert [name for name, _ in bins_of(Trait("turn", "", values))] == ["1", "2", "3", "4"]
    assert bins_of(Trait("turn", "", np.full(3, np.nan))) == []


def test_fixed_edges_and_names():
    bins = bins_of(Trait("copies", "", np.array([0.0, 2, 0, 1]), edges=(1.0,), names=("none", "some")))
    assert [(name, rows.tolist()) for name, rows in bins] == [("none", [0, 2]), ("some", [1, 3])]


def test_a_slice_has_the_figures_of_its_images():
    random = np.random.default_rng(1)
    values, labels = random.random(400), random.integers(0, 7, 400)
    right = random.random(400) < np.where(values < 0.25, 0.3, 0.8)
    lowest, *others = _slices(Trait("light", "", values), labels, right)
    inside = values <= np.quantile(values, 0.25)
    num_right, num_rest = int(right[inside].sum()), int(right[~inside].sum())
    assert (len(lowest.rows), lowest.num_right) == (100, num_right)
    assert (lowest.low, lowest.high) == accuracy_interval(num_right, 100, confidence_level=0.95)
    assert lowest.difference == pytest.approx(num_right / 100 - num_rest / 300)
    p_value = fisher_exact([[num_right, 100 - num_right], [num_rest, 300 - num_rest]]).pvalue
    assert lowest.p_value == pytest.approx(p_value)
    assert lowest.p_adjusted == pytest.approx(4 * p_value)
    assert lowest.is_different
    assert sum(entry.num_right for entry in others) == num_rest


def test_a_slice_of_hard_emotions_is_not_worse_within_them():
    # Emotion 0 is right in 20 %, emotion 3 in 90 %, in either half; the first half is mostly emotion 0.
    labels = np.array([0] * 80 + [3] * 20 + [0] * 20 + [3] * 80)
    right = np.concatenate([np.arange(n) < k for n, k in ((80, 16), (20, 18), (20, 4), (80, 72))])
    trait = Trait("half", "", np.repeat([0.0, 1.0], 100), edges=(1.0,))
    first, second = _slices(trait, labels, right)
    assert first.difference == pytest.approx(0.34 - 0.76)
    assert first.difference_within == pytest.approx(0)
    assert second.difference_within == pytest.approx(0)


def test_emotions_weigh_by_how_many_images_stand_on_both_sides():
    # Emotion 0: 10 inside, all right, against 90, none right. Emotion 3: 50 against 50, no difference.
    labels = np.array([0] * 10 + [3] * 50 + [0] * 90 + [3] * 50)
    right = np.array([True] * 10 + [False] * 190)
    first, _ = _slices(
        Trait("half", "", np.repeat([0.0, 1.0], [60, 140]), edges=(1.0,)), labels.astype(np.uint8), right
    )
    assert first.difference_within == pytest.approx((10 * 90 / 100) / (10 * 90 / 100 + 50 * 50 / 100))


def test_a_slice_that_shares_no_emotion_with_the_rest_has_no_difference_within():
    trait = Trait("half", "", np.repeat([0.0, 1.0], 10), edges=(1.0,))
    first, _ = _slices(trait, np.repeat([0, 3], 10), np.ones(20, bool))
    assert first.difference_within is None


def test_a_trait_that_is_the_same_for_all_gives_no_slice():
    assert _slices(Trait("light", "", np.full(10, 3.0)), np.arange(10) % 7, np.ones(10, bool)) == []


def test_chance_alone_rarely_makes_a_difference():
    random = np.random.default_rng(4)
    traits = [Trait(f"noise {number}", "", random.random(800)) for number in range(40)]
    slices = slice_by(
        traits, random.integers(0, 7, 800).astype(np.uint8), random.random(800) < 0.65, confidence_level=0.95
    )
    assert any(entry.p_value < 0.05 for entry in slices)
    assert not any(entry.is_different for entry in slices)
