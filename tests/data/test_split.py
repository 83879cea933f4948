"""Assigning subsets, leaks and contradictory labels."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.data.split import (
    apply_options,
    assign_subsets,
    check_subsets,
    draw_groups,
    find_contradictions,
    find_leaks,
    label_indices,
)
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS

NUM_IMAGES = 4000


@pytest.fixture
def split_params(sample_params):
    def build(**values):
        return sample_params.split.model_copy(update=values)

    return build


@pytest.fixture(scope="module")
def labels():
    generator = np.random.default_rng(0)
    return generator.choice(7, size=NUM_IMAGES, p=[0.14, 0.02, 0.14, 0.25, 0.17, 0.17, 0.11]).astype(np.uint8)


@pytest.fixture(scope="module")
def groups():
    """Mostly single images, some groups of up to about a dozen."""
    generator = np.random.default_rng(1)
    numbers = np.arange(NUM_IMAGES)
    joined = generator.random(NUM_IMAGES) < 0.15
    numbers[joined] = NUM_IMAGES + generator.integers(0, 100, size=joined.sum())
    return numbers


@pytest.fixture(scope="module")
def usage():
    return np.random.default_rng(2).choice(
        ["Training", "PublicTest", "PrivateTest"], size=NUM_IMAGES, p=[0.8, 0.1, 0.1]
    )


def shares(subsets, labels, name):
    return np.bincount(labels[subsets == name], minlength=7) / np.bincount(labels, minlength=7)


def test_label_indices_follow_the_emotions():
    assert label_indices(np.array(EMOTIONS)[[6, 0, 3]]).tolist() == [6, 0, 3]


@pytest.mark.parametrize("label", ["joy", "", "zzz"])
def test_label_indices_refuse_an_unknown_label(label):
    with pytest.raises(DataError, match=f"label '{label}' found, expected one of angry"):
        label_indices(np.array(["happy", label]))


def test_assign_subsets_paper_tests_on_both_test_usages(usage, labels, groups, split_params):
    subsets = assign_subsets(usage, labels, groups, params=split_params(scheme="paper"), seed=3)
    assert np.array_equal(subsets == "test", usage != "Training")
    training = usage == "Training"
    assert shares(subsets[training], labels[training], "val") == pytest.approx(0.1, abs=0.02)
    assert (subsets[training] == "val").mean() == pytest.approx(0.1, abs=0.002)


def test_assign_subsets_kaggle_keeps_the_published_rows(usage, labels, groups, split_params):
    subsets = assign_subsets(usage, labels, groups, params=split_params(scheme="kaggle"), seed=3)
    names = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
    assert subsets.tolist() == [names[value] for value in usage]


def test_assign_subsets_random_gives_each_class_its_shares(usage, labels, groups, split_params):
    params = split_params(scheme="random", test_share=0.2, validation_share=0.25)
    subsets = assign_subsets(np.full(NUM_IMAGES, "any"), labels, groups, params=params, seed=3)
    assert shares(subsets, labels, "test") == pytest.approx(0.2, abs=0.03)
    assert shares(subsets, labels, "val") == pytest.approx(0.2, abs=0.03)
    assert (subsets == "test").mean() == pytest.approx(0.2, abs=0.002)


@pytest.mark.parametrize(
    ("scheme", "sides"), [("paper", ("train", "val")), ("random", ("train", "val", "test"))]
)
def test_assign_subsets_never_divides_a_group(usage, labels, groups, split_params, scheme, sides):
    usage = np.full(NUM_IMAGES, "Training") if scheme == "random" else usage
    subsets = assign_subsets(usage, labels, groups, params=split_params(scheme=scheme), seed=3)
    drawn = np.isin(subsets, sides)
    pairs = set(zip(groups[drawn].tolist(), subsets[drawn].tolist(), strict=True))
    assert len(pairs) == len(np.unique(groups[drawn]))


@pytest.mark.parametrize("scheme", ["paper", "random"])
def test_assign_subsets_depends_on_the_seed_and_not_on_row_order(usage, labels, groups, split_params, scheme):
    params = split_params(scheme=scheme)
    usage = np.full(NUM_IMAGES, "Training") if scheme == "random" else usage
    subsets = assign_subsets(usage, labels, groups, params=params, seed=3)
    order = np.random.default_rng(9).permutation(NUM_IMAGES)
    shuffled = assign_subsets(usage[order], labels[order], groups[order], params=params, seed=3)
    assert shuffled.tolist() == subsets[order].tolist()
    other = assign_subsets(usage, labels, groups, params=params, seed=4)
    assert other.tolist() != subsets.tolist()


def test_assign_subsets_random_takes_no_image_that_was_published_for_tests(
    usage, labels, groups, split_params
):
    with pytest.raises(DataError, match=r"split.scheme random: draws .* some are PublicTest and PrivateTest"):
        assign_subsets(usage, labels, groups, params=split_params(scheme="random"), seed=3)


@pytest.mark.parametrize("scheme", ["paper", "kaggle"])
def test_assign_subsets_refuses_an_unknown_usage(split_params, scheme):
    with pytest.raises(
        DataError, match=rf"split.scheme {scheme}: usage 'mine' found.*use split.scheme random"
    ):
        assign_subsets(
            np.array(["Training", "mine"]),
            np.zeros(2, np.uint8),
            np.arange(2),
            params=split_params(scheme=scheme),
            seed=0,
        )


@pytest.mark.parametrize("seed", range(10))
def test_draw_groups_leaves_a_group_that_is_larger_than_the_share(seed):
    groups = np.array([0] * 50 + list(range(1, 51)))
    drawn = draw_groups(np.zeros(100, np.uint8), groups, share=0.1, generator=np.random.default_rng(seed))
    assert drawn.sum() == 10
    assert not drawn[:50].any()


@pytest.mark.parametrize(("num_images", "expected"), [(14, 1), (15, 2), (16, 2), (25, 2)])
def test_draw_groups_rounds_the_share_of_a_class_half_to_even(num_images, expected):
    labels, groups = np.zeros(num_images, np.uint8), np.arange(num_images)
    drawn = draw_groups(labels, groups, share=0.1, generator=np.random.default_rng(0))
    assert drawn.sum() == expected


def test_find_leaks_tells_exact_from_near():
    exact = np.array([0, 0, 1, 2, 3])
    near = np.array([0, 0, 0, 2, 3])
    seen = np.array([True, False, False, False, True])
    leaks = find_leaks(exact, near, seen=seen, scored=~seen)
    assert leaks.tolist() == ["none", "exact", "near", "none", "none"]


def test_find_contradictions_marks_every_copy_of_the_group():
    exact = np.array([5, 5, 5, 9, 9, 7])
    labels = np.array([0, 3, 0, 1, 1, 2], np.uint8)
    assert find_contradictions(exact, labels).tolist() == [True, True, True, False, False, False]


@pytest.fixture
def marked():
    """Rows: contradictory in train; train against test only; a leaked, a near and a clean test image."""
    return {
        "subsets": np.array(["train", "val", "train", "test", "train", "test", "test", "val"], dtype="<U7"),
        "labels": np.array([0, 1, 2, 3, 4, 4, 5, 6], np.uint8),
        "exact": np.array([0, 0, 1, 1, 2, 3, 4, 5]),
        "near": np.array([0, 0, 1, 1, 2, 2, 4, 5]),
    }


def test_apply_options_keep_marks_and_drops_nothing(marked, split_params):
    subsets, leaks = apply_options(**marked, params=split_params(contradictory="keep", leaked="keep"))
    assert subsets.tolist() == marked["subsets"].tolist()
    assert leaks.tolist() == ["none", "exact", "none", "exact", "none", "near", "none", "none"]


def test_apply_options_drop_contradictory_without_looking_at_test_labels(marked, split_params):
    subsets, leaks = apply_options(**marked, params=split_params(contradictory="drop", leaked="keep"))
    assert subsets.tolist() == ["dropped", "dropped", "train", "test", "train", "test", "test", "val"]
    assert leaks[1] == "none"


def test_apply_options_drop_leaked_removes_them_from_test_alone(marked, split_params):
    subsets, leaks = apply_options(**marked, params=split_params(contradictory="keep", leaked="drop"))
    assert subsets.tolist() == ["train", "val", "train", "dropped", "train", "dropped", "test", "val"]
    assert leaks.tolist() == ["none", "exact", "none", "exact", "none", "near", "none", "none"]


def test_apply_options_count_a_copy_in_a_dropped_row_as_no_leak(split_params):
    subsets, leaks = apply_options(
        np.array(["train", "train", "test"], dtype="<U7"),
        np.array([0, 1, 0], np.uint8),
        np.zeros(3, np.int64),
        np.zeros(3, np.int64),
        params=split_params(contradictory="drop", leaked="keep"),
    )
    assert subsets.tolist() == ["dropped", "dropped", "test"]
    assert leaks.tolist() == ["none", "none", "none"]


@pytest.mark.parametrize("empty", ["train", "val", "test"])
def test_check_subsets_refuses_an_empty_subset(split_params, empty):
    subsets = np.array([name for name in ("train", "val", "test") if name != empty] * 7)
    with pytest.raises(DataError, match=f"subset {empty} is empty"):
        check_subsets(subsets, np.arange(14, dtype=np.uint8) % 7, params=split_params())


def test_check_subsets_refuses_a_class_without_training_images(split_params):
    subsets = np.array(["train"] * 6 + ["val", "test"])
    with pytest.raises(DataError, match="no training image of class surprise"):
        check_subsets(subsets, np.array([0, 1, 2, 3, 4, 5, 6, 6], np.uint8), params=split_params())
