"""Exact and near duplicates."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.data.duplicates import (
    band_pass,
    best_correlation,
    exact_groups,
    hash_pairs,
    near_groups,
    perceptual_hashes,
)
from ferflow.data.store import pixel_hashes
from tests.data.pictures import brighten, draw_pictures, recompress, resize, shift, stamp

DISTANCE = 12
CORRELATION = 0.8


def group(images, *, distance=DISTANCE, correlation=CORRELATION):
    return near_groups(images, pixel_hashes(images), distance=distance, correlation=correlation)


def test_exact_groups_join_equal_hashes_and_follow_their_order():
    assert exact_groups(np.array(["cc", "aa", "cc", "bb"])).tolist() == [2, 0, 2, 1]


def test_near_groups_keep_different_pictures_apart():
    assert len(np.unique(group(draw_pictures(60)))) == 60


@pytest.mark.parametrize("change", [brighten, recompress, shift, resize, stamp])
def test_near_groups_find_a_changed_copy(change):
    pictures = draw_pictures(8)
    groups = group(np.concatenate([pictures, [change(pictures[3])]]))
    assert groups[8] == groups[3]
    assert len(np.unique(groups)) == 8


def test_near_groups_look_closer_than_the_hash():
    # Two faces under the same light: the same strong low frequencies, other details.
    light = 110 + 90 * np.outer(np.sin(np.linspace(0, 3, 48)), np.cos(np.linspace(-1, 2, 48)))
    details = draw_pictures(2).astype(np.float64) - 128
    images = np.clip(light + 0.12 * details, 0, 255).astype(np.uint8)
    hashes = perceptual_hashes(images)
    distance = int(np.bitwise_count(hashes[0] ^ hashes[1]))
    pairs = list(hash_pairs(hashes, distance=distance))
    assert np.concatenate(pairs).tolist() == [[0, 1]]
    assert len(np.unique(group(images, distance=distance))) == 2
    assert len(np.unique(group(images, distance=distance, correlation=0.01))) == 1


def test_near_groups_carry_likeness_on():
    start, end = draw_pictures(2).astype(np.float64) - 128
    angles = np.deg2rad([0, 30, 60, 90])
    chain = np.stack([128 + np.cos(angle) * start + np.sin(angle) * end for angle in angles]).astype(np.uint8)
    assert np.unique(group(chain, distance=16)).tolist() == [0]
    assert len(np.unique(group(chain[[0, 2, 3]], distance=16))) == 2
    assert len(np.unique(group(chain[[0, 3]], distance=16))) == 2


def test_near_groups_join_constant_images_only_when_equal():
    images = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 90, 91, 255, 90)])
    groups = group(images, distance=16, correlation=0.01)
    assert groups[1] == groups[4]
    assert len(np.unique(groups)) == 4


def test_near_groups_do_not_depend_on_row_order():
    pictures = draw_pictures(40)
    images = np.concatenate([pictures, [brighten(p) for p in pictures[:9]], pictures[5:8]])
    order = np.random.default_rng(1).permutation(len(images))
    assert group(images)[order].tolist() == group(images[order]).tolist()


def test_near_groups_of_many_copies_are_one_group():
    # 120 copies are 7,140 pairs: several batches, each of which has to build on those before.
    noise = np.random.default_rng(3).normal(scale=4, size=(120, 48, 48))
    copies = np.clip(draw_pictures(1) + noise, 0, 255).astype(np.uint8)
    assert len(np.unique(pixel_hashes(copies))) == 120
    assert np.unique(group(copies)).tolist() == [0]


def test_near_groups_of_no_images_are_empty():
    assert group(np.zeros((0, 48, 48), np.uint8)).shape == (0,)


def test_hash_pairs_are_all_pairs_within_the_distance():
    hashes = np.random.default_rng(2).integers(0, 2**12, size=101, dtype=np.uint64)
    found = np.concatenate(list(hash_pairs(hashes, distance=3)))
    expected = [
        [left, right]
        for left in range(101)
        for right in range(left + 1, 101)
        if int(hashes[left] ^ hashes[right]).bit_count() <= 3
    ]
    assert sorted(found.tolist()) == expected
    assert 0 < len(expected) < 101 * 50


def test_band_pass_has_length_one_and_is_zero_without_contrast():
    blank = np.full((48, 48), 7, np.uint8)
    nearly_blank = 7 + np.random.default_rng(4).integers(0, 2, size=(48, 48), dtype=np.uint8)
    outlines = band_pass(np.concatenate([draw_pictures(2), [blank, nearly_blank]]))
    lengths = np.linalg.norm(outlines.astype(np.float32).reshape(4, -1), axis=1)
    assert lengths == pytest.approx([1, 1, 0, 0], abs=2e-3)


def test_best_correlation_forgives_four_pixels_and_no_more():
    wide = draw_pictures(2, side=64)
    crops = np.stack([wide[0, 8:56, left : left + 48] for left in (2, 6, 14)] + [wide[1, 8:56, 8:56]])
    outlines = band_pass(crops)
    equal, near, far, other = best_correlation(outlines, np.array([[0, 0], [0, 1], [0, 2], [0, 3]]))
    assert equal == pytest.approx(1, abs=2e-3)
    assert near > CORRELATION
    assert far < 0.5
    assert other < 0.5


@pytest.mark.real_data
def test_exact_groups_of_fer2013_are_the_published_figures(fer2013):
    groups = exact_groups(fer2013["sha256"])
    sizes = np.bincount(groups)
    assert (sizes > 1).sum() == 1516
    assert sizes[sizes > 1].sum() == 3369
    training = fer2013["usage"] == "Training"
    both = np.intersect1d(groups[training], groups[~training])
    assert len(both) == 531
    assert np.isin(groups[~training], both).sum() == 568
