"""Mixup: pairs, shares and the targets that belong to them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.model.augment import Mixtures
from ferflow.model.mixup import MixedCrossEntropy, accuracy, mixed_targets
from ferflow.params import AugmentParams
from tests.model.test_augment import NOTHING


@pytest.fixture(scope="module")
def levels():
    """256 images, each of one grey level of its own: (256, 48, 48, 1) float32."""
    return np.tile(np.arange(256, dtype=np.float32)[:, None, None, None], (1, 48, 48, 1))


def _mixtures(seed=1, **strengths):
    return Mixtures(AugmentParams.model_validate(NOTHING | strengths), seed=seed)


def _mix(images, alpha, seed=1):
    mixed, share = _mixtures(seed=seed, mixup=alpha)(images, training=True)
    return np.asarray(mixed), np.asarray(share)


def test_mixtures_are_of_the_image_and_its_mirror_place_in_the_batch(levels):
    mixed, share = _mix(levels, 0.4)
    expected = share[:, 0] * np.arange(256) + (1 - share[:, 0]) * np.arange(255, -1, -1)
    np.testing.assert_allclose(mixed[:, 7, 9, 0], expected, rtol=1e-4, atol=1e-3)
    assert share.shape == (256, 1)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_have_the_moments_of_the_beta_distribution(levels, alpha):
    shares = np.concatenate([_mix(levels, alpha, seed)[1] for seed in range(20)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
    assert 0 <= shares.min() < shares.max() <= 1


def test_nothing_is_mixed_without_alpha_or_outside_training(levels):
    for mixed, share in (_mix(levels, 0.0), _mixtures(mixup=0.4)(levels)):
        np.testing.assert_array_equal(np.asarray(mixed), levels)
        np.testing.assert_array_equal(np.asarray(share), np.ones((256, 1)))


def test_shares_repeat_with_the_seed_and_differ_between_steps(levels):
    np.testing.assert_array_equal(_mix(levels, 0.4)[1], _mix(levels, 0.4)[1])
    layer = _mixtures(mixup=0.4)
    first, second = (np.asarray(layer(levels, training=True)[1]) for _ in range(2))
    assert np.abs(first - second).max() > 0.1


def test_cutmix_pastes_a_rectangle_whose_area_is_the_share_of_the_other(levels):
    mixed, share = (np.asarray(found) for found in _mixtures(cutmix=1.0)(levels, training=True))
    pasted = mixed[..., 0] != levels[..., 0]
    np.testing.assert_allclose(share[:, 0], 1 - pasted.mean(axis=(1, 2)), atol=1e-6)
    for number in (0, 100, 255):
        assert set(np.unique(mixed[number]).tolist()) <= {float(number), 255.0 - number}
    for mask in pasted:
        np.testing.assert_array_equal(mask, mask.any(axis=1)[:, None] & mask.any(axis=0)[None, :])
    # Rectangles that jut out are cut off, so that more is kept than the mean of Beta(1, 1).
    assert 0.55 < share.mean() < 0.75
    np.testing.assert_array_equal(mixed, np.asarray(_mixtures(cutmix=1.0)(levels, training=True)[0]))


def test_of_two_that_mix_each_image_is_drawn_one(levels):
    mixed, share = (np.asarray(found) for found in _mixtures(cutmix=1.0, mixup=1.0)(levels, training=True))
    own, other = np.arange(256.0), np.arange(255.0, -1, -1)
    is_cut = np.array([set(np.unique(mixed[n])) <= {own[n], other[n]} for n in range(256)])
    assert 0.35 < is_cut.mean() < 0.65
    added = share[:, 0] * own + (1 - share[:, 0]) * other
    np.testing.assert_allclose(mixed[~is_cut, 0, 0, 0], added[~is_cut], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(mixed[is_cut].mean(axis=(1, 2, 3)), added[is_cut], rtol=1e-3, atol=0.05)


def test_loss_and_accuracy_are_those_of_the_mixed_targets():
    targets = np.eye(7, dtype=np.float32)[[0, 1, 2]]
    logits = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
    outputs = np.concatenate([logits, [[0.75], [1.0], [0.25]]], axis=1).astype(np.float32)
    mixed = np.array(
        [0.75 * targets[0] + 0.25 * targets[2], targets[1], 0.25 * targets[2] + 0.75 * targets[0]]
    )
    np.testing.assert_allclose(np.asarray(mixed_targets(targets, outputs)[0]), mixed)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(mixed, logits)
    assert float(MixedCrossEntropy(0.1)(targets, outputs)) == pytest.approx(float(expected), rel=1e-6)
    found = np.asarray(accuracy(targets, outputs))
    np.testing.assert_array_equal(found, logits.argmax(axis=1) == mixed.argmax(axis=1))
