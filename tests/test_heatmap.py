"""Heatmaps: finer than the maps they come from, at the right places, and drawn so that the face shows."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.explain.heatmap import Run, heatmaps, overlay
from ferflow.labels import EMOTIONS, IMAGE_SIZE


def _brightness(cells: int):
    """A network whose map of each emotion is the mean brightness of each cell; of `angry` its negative."""

    def answers(images: np.ndarray) -> np.ndarray:
        return np.eye(len(EMOTIONS))[np.full(len(images), 3)]

    def maps_of(images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8
        side = IMAGE_SIZE // cells
        means = images.reshape(len(images), cells, side, cells, side).mean(axis=(2, 4)) / 255
        maps = np.repeat(means[:, None], len(EMOTIONS), axis=1).astype(np.float32)
        maps[:, 0] *= -1
        return maps

    return Run(answers, maps_of)


def _spot(top: int, left: int) -> np.ndarray:
    face = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    face[top : top + 6, left : left + 6] = 255
    return face


@pytest.mark.parametrize(("top", "left"), [(5, 5), (13, 29), (21, 21), (36, 12), (26, 40)])
def test_heat_lies_where_the_evidence_is(top, left):
    heat = heatmaps(_brightness(3), _spot(top, left)[None])[0]
    rows, columns = np.indices(heat.shape)
    sharp = heat**4
    centre = [(sharp * places).sum() / sharp.sum() for places in (rows, columns)]
    # Cells are 16 px wide.
    np.testing.assert_allclose(centre, (top + 2.5, left + 2.5), atol=4)


def test_heat_is_finer_than_the_cells():
    one, other = heatmaps(_brightness(3), np.stack([_spot(16, 16), _spot(16, 26)]))
    assert abs(int(one.max(axis=0).argmax()) - int(other.max(axis=0).argmax())) >= 4


def test_heat_of_a_mirrored_face_is_mirrored():
    face = np.random.default_rng(1).integers(0, 256, (1, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    one, other = (heatmaps(_brightness(6), each)[0] for each in (face, face[:, :, ::-1]))
    np.testing.assert_allclose(other[:, ::-1], one, atol=1e-6)


@pytest.mark.parametrize("cells", [1, 3, 6, 12, 24])
def test_heat_is_scaled_face_by_face(cells):
    faces = np.random.default_rng(2).integers(1, 256, (37, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    faces[1] //= 8
    heat = heatmaps(_brightness(cells), faces)
    assert heat.shape == faces.shape
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    np.testing.assert_allclose(heat.max(axis=(1, 2)), 1, atol=1e-6)


def test_what_speaks_against_an_emotion_is_cold():
    classes = np.array([0, 1])
    heat = heatmaps(_brightness(3), np.stack([_spot(20, 20)] * 2), classes)
    assert heat[0].max() == 0
    assert heat[1].max() == 1


def test_no_face_has_no_heat():
    assert heatmaps(_brightness(3), np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)).shape == (0, 48, 48)


def test_overlay_leaves_the_cold_part_grey_and_the_face_visible():
    face = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (IMAGE_SIZE, 1))
    heat = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    heat[:24] = 1
    picture = overlay(face, heat)
    np.testing.assert_array_equal(picture[30], np.repeat(face[30][:, None], 3, axis=1))
    assert np.all(np.diff(picture[5].sum(axis=1).astype(int)) > 0)
    assert overlay(face, heat, side=192).shape == (192, 192, 3)
