"""Figures about heatmaps: of a network that is known to look at the middle."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.explain.faithfulness import BORDER, CENTRAL_AREA, central_share, measure
from ferflow.explain.heatmap import Run
from ferflow.labels import EMOTIONS


def _surprise_at_the_middle(images: np.ndarray) -> np.ndarray:
    """Surprised in so far as the middle ninth is bright."""
    cells = images.reshape(len(images), 3, 16, 3, 16).mean(axis=(2, 4)) / 255
    surprise = cells[:, 1, 1]
    probabilities = np.repeat((1 - surprise)[:, None] / 6, len(EMOTIONS), axis=1)
    probabilities[:, -1] = surprise
    return probabilities


def _middle(images: np.ndarray) -> np.ndarray:
    maps = np.zeros((len(images), len(EMOTIONS), 3, 3))
    maps[:, :, 1, 1] = 1
    return maps


_looks_at_the_middle = Run(_surprise_at_the_middle, _middle)


def _bright_middles() -> np.ndarray:
    faces = np.full((20, 48, 48), 30, np.uint8)
    faces[:, 16:32, 16:32] = 220
    return faces


def test_measure_finds_that_the_middle_matters():
    found = measure(_looks_at_the_middle, _bright_middles())
    # Covered is what lies in the middle at most: 256 of 2,304 pixels, from 220 to the mean grey of 51.
    assert found.drop_hottest == pytest.approx((220 - 51) / 255, abs=0.01)
    assert found.drop_random == pytest.approx((220 - 51) / 255 / 4, abs=0.02)
    assert found.drop_coldest == 0
    assert found.central_heat > 0.95
    assert found.central_peaks == 1
    assert found.num_images == 20


def test_measure_is_the_same_twice():
    assert measure(_looks_at_the_middle, _bright_middles()) == measure(
        _looks_at_the_middle, _bright_middles()
    )


def test_central_share_of_even_heat_is_the_area_and_faces_without_heat_do_not_count():
    heat = np.zeros((3, 48, 48), np.float32)
    assert np.isnan(central_share(heat))
    heat[0] = 0.3
    assert central_share(heat) == pytest.approx(CENTRAL_AREA, abs=1e-6)
    heat[1, BORDER, BORDER] = 1
    assert central_share(heat) == pytest.approx((1 + CENTRAL_AREA) / 2, abs=1e-6)
