"""Augmentation: what it changes, what it leaves, and that draws repeat."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.labels import IMAGE_SIZE
from ferflow.model.augment import Augment
from ferflow.params import AugmentParams

NOTHING = {
    "rotation": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "flip": False,
    "brightness": 0.0,
    "contrast": 0.0,
    "erasing": 0.0,
    "erasing_area": 0.2,
    "mixup": 0.0,
}


def _augment(images, seed=1, **strengths):
    return np.asarray(
        Augment(AugmentParams.model_validate(NOTHING | strengths), seed=seed)(images, training=True)
    )


@pytest.fixture(scope="module")
def blob():
    """32 copies of an image with one bright square right of the centre: (32, 48, 48, 1) uint8."""
    images = np.zeros((32, IMAGE_SIZE, IMAGE_SIZE, 1), np.uint8)
    images[:, 20:28, 32:40] = 200
    return images


def _centre(images):
    """Mean column and row of the brightness of each image."""
    weights = images[..., 0] / images.sum(axis=(1, 2, 3))[:, None, None]
    return weights.sum(axis=1) @ np.arange(IMAGE_SIZE), weights.sum(axis=2) @ np.arange(IMAGE_SIZE)


def test_augment_outside_training_changes_nothing(blob):
    layer = Augment(AugmentParams.model_validate(NOTHING | {"rotation": 90.0, "flip": True}), seed=1)
    np.testing.assert_array_equal(np.asarray(layer(blob)), blob.astype(np.float32))


def test_augment_without_strength_changes_nothing(blob):
    np.testing.assert_allclose(_augment(blob), blob, atol=1e-3)


def test_flip_mirrors_about_half_of_the_images(blob):
    columns, rows = _centre(_augment(blob, flip=True))
    mirrored = columns < 24
    np.testing.assert_allclose(columns[mirrored], 47 - 35.5, atol=1e-3)
    np.testing.assert_allclose(columns[~mirrored], 35.5, atol=1e-3)
    np.testing.assert_allclose(rows, 23.5, atol=1e-3)
    assert 5 <= mirrored.sum() <= 27


def test_shift_moves_within_its_bounds_in_both_directions(blob):
    columns, rows = _centre(_augment(blob, shift=0.1))
    for moved in (columns - 35.5, rows - 23.5):
        assert np.abs(moved).max() <= 4.8 + 1e-3
        assert moved.min() < -1
        assert moved.max() > 1


def test_rotation_turns_about_the_centre_within_its_bounds(blob):
    columns, rows = _centre(_augment(blob, rotation=10.0))
    angles = np.degrees(np.arctan2(rows - 23.5, columns - 23.5))
    assert np.abs(angles).max() <= 10.5
    assert angles.min() < -3
    assert angles.max() > 3
    np.testing.assert_allclose(np.hypot(rows - 23.5, columns - 23.5), 12, atol=0.3)


def test_zoom_scales_within_its_bounds(blob):
    areas = (_augment(blob, zoom=0.2) / 200).sum(axis=(1, 2, 3))
    assert areas.min() >= 64 / 1.2**2 * 0.95
    assert areas.max() <= 64 / 0.8**2 * 1.05
    assert areas.max() / areas.min() > 1.3


def test_edges_are_repeated_where_the_image_moves_in():
    white = np.full((8, IMAGE_SIZE, IMAGE_SIZE, 1), 255, np.uint8)
    np.testing.assert_allclose(_augment(white, shift=0.2, rotation=30.0, zoom=0.3), 255, atol=1e-2)


def test_brightness_and_contrast_stay_in_range_and_bounds():
    images = np.tile(np.linspace(0, 255, IMAGE_SIZE, dtype=np.float32)[None, :, None, None], (64, 1, 48, 1))
    bright = _augment(images, brightness=0.1)
    assert bright.min() >= 0
    assert bright.max() <= 255
    middle = bright[:, 24, 0, 0] - images[:, 24, 0, 0]
    assert np.abs(middle).max() <= 25.5 + 1e-3
    slopes = (
        np.diff(_augment(images, contrast=0.2)[:, 20:28, 0, 0]).mean(axis=1)
        / np.diff(images[0, :, 0, 0]).mean()
    )
    assert 0.8 - 1e-3 <= slopes.min() < slopes.max() <= 1.2 + 1e-3


def test_erasing_overwrites_a_rectangle_of_bounded_area_in_its_share_of_the_images():
    black = np.full((512, IMAGE_SIZE, IMAGE_SIZE, 1), 300, np.float32)  # A level that no noise has.
    erased = _augment(black, erasing=0.4, erasing_area=0.25)[..., 0] < 299
    areas = erased.mean(axis=(1, 2))
    assert (areas > 0).mean() == pytest.approx(0.4, abs=0.07)
    assert 0.01 < areas[areas > 0].min() < 0.05
    assert 0.2 < areas.max() <= 0.27
    for mask in erased[areas > 0]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_erased_rectangles_hold_noise_and_lie_everywhere():
    black = np.full((512, IMAGE_SIZE, IMAGE_SIZE, 1), 300, np.float32)
    changed = _augment(black, erasing=1.0, erasing_area=0.1)[..., 0]
    erased = changed < 299
    assert changed[erased].min() >= 0
    assert changed[erased].std() == pytest.approx(255 / 12**0.5, rel=0.05)
    assert erased.any(axis=(0, 1)).all()
    assert erased.any(axis=(0, 2)).all()


def test_draws_repeat_with_the_seed_and_differ_between_steps(blob):
    strengths = {"rotation": 10.0, "zoom": 0.1, "shift": 0.1, "contrast": 0.2, "erasing": 0.5}
    np.testing.assert_array_equal(_augment(blob, **strengths), _augment(blob, **strengths))
    assert np.abs(_augment(blob, **strengths) - _augment(blob, seed=2, **strengths)).max() > 1
    layer = Augment(AugmentParams.model_validate(NOTHING | strengths), seed=1)
    first, second = (np.asarray(layer(blob, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1


def test_grid_mask_covers_squares_of_one_grid_in_its_share_of_the_images():
    images = np.full((256, IMAGE_SIZE, IMAGE_SIZE, 1), 300, np.float32)  # A level that no grey has.
    covered = _augment(images, grid_mask=0.5, grid_mask_kept=0.5)[..., 0] != 300
    shares = covered.mean(axis=(1, 2))
    assert (shares > 0).mean() == pytest.approx(0.5, abs=0.1)
    # Half of the rows times half of the columns.
    assert shares[shares > 0].mean() == pytest.approx(0.25, abs=0.05)
    for mask in covered[shares > 0]:
        np.testing.assert_array_equal(mask, mask.any(axis=1)[:, None] & mask.any(axis=0)[None, :])
    less = _augment(images, grid_mask=1.0, grid_mask_kept=0.9)[..., 0] != 300
    assert 0 < less.mean() < 0.03


def test_what_a_grid_mask_covers_is_grey():
    images = np.zeros((8, IMAGE_SIZE, IMAGE_SIZE, 1), np.float32)
    assert set(np.unique(_augment(images, grid_mask=1.0)).tolist()) == {0.0, 127.5}


def test_every_augmentation_repeats_with_the_seed_and_is_off_by_its_default(blob):
    for strengths in ({"grid_mask": 0.9}, {"erasing": 0.9}, {"brightness": 0.5}, {"shift": 0.3}):
        np.testing.assert_array_equal(_augment(blob, **strengths), _augment(blob, **strengths))
        assert np.abs(_augment(blob, **strengths) - _augment(blob, seed=2, **strengths)).max() > 1
    layer = Augment(AugmentParams.model_validate(NOTHING), seed=1)
    assert [type(options).__module__.rpartition(".")[2] for _, options in layer._changes] == ["geometry"]
