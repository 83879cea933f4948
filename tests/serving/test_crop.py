"""The square around a face: where it lies, and what is beyond the photo's border."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferflow.serving.crop import HAAR_MARGIN, YUNET_MARGIN, Square, cut_face, square_around
from tests.data.pictures import draw_pictures


@pytest.mark.parametrize(
    ("margin", "box_in_face"),
    [(YUNET_MARGIN, (4.9, 0.5, 38.8, 47.6)), (HAAR_MARGIN, (3.1, 5.0, 42.8, 42.8))],
)
def test_a_box_as_the_data_set_has_it_brings_the_face_back(margin, box_in_face):
    left, top, width, height = (4 * value for value in box_in_face)
    square = square_around((100 + left, 200 + top, width, height), margin)
    # The face lay at 100, 200 and was 192 px large.
    assert square.left == pytest.approx(100, abs=4)
    assert square.top == pytest.approx(200, abs=4)
    assert square.side == pytest.approx(192, abs=6)


def test_a_square_of_48_px_is_cut_out_pixel_by_pixel():
    photo = draw_pictures(1, side=100)[0]
    np.testing.assert_array_equal(cut_face(photo, Square(20, 30, 48)), photo[30:78, 20:68])


@pytest.mark.parametrize("side", [24, 96])
def test_a_square_is_brought_to_48_px(side):
    photo = draw_pictures(1, side=200)[0]
    method = cv2.INTER_AREA if side > 48 else cv2.INTER_LINEAR
    expected = cv2.resize(photo[50 : 50 + side, 40 : 40 + side], (48, 48), interpolation=method)
    np.testing.assert_array_equal(cut_face(photo, Square(40, 50, side)), expected)


@pytest.mark.parametrize("corner", [(-10, -20), (60, -20), (-10, 70), (60, 70), (-200, 10), (10, 300)])
def test_edge_pixels_go_on_beyond_the_border(corner):
    photo = draw_pictures(1, side=100)[0]
    left, top = corner
    wide = cv2.copyMakeBorder(photo, *(400,) * 4, borderType=cv2.BORDER_REPLICATE)
    expected = wide[400 + top : 448 + top, 400 + left : 448 + left]
    np.testing.assert_array_equal(cut_face(photo, Square(left, top, 48)), expected)
