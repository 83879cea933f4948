"""From a box around a face to the 48x48 picture that the network was trained on."""

from __future__ import annotations

import cv2
import numpy as np

from ferflow.data.store import Images
from ferflow.labels import IMAGE_SIZE

Box = tuple[float, float, float, float]


def cut_face(grey: Images, box: Box) -> Images:
    """Cut out a face with the margin that the training data have, 48 px.

    Args:
        grey: (H, W) uint8 photo.
        box: Left, top, width and height of the detector's box, in pixels of the photo.

    Returns:
        (48, 48) uint8; beyond the photo's border its edge pixels go on.
    """
    left, top, side = square_around(box)
    height, width = grey.shape
    inner = grey[
        min(max(top, 0), height - 1) : max(min(top + side, height), 1),
        min(max(left, 0), width - 1) : max(min(left + side, width), 1),
    ]
    above, before = min(max(-top, 0), side - 1), min(max(-left, 0), side - 1)
    below, behind = side - above - inner.shape[0], side - before - inner.shape[1]
    square = cv2.copyMakeBorder(inner, above, below, before, behind, cv2.BORDER_REPLICATE)
    if side == IMAGE_SIZE:
        return np.ascontiguousarray(square, np.uint8)
    method = cv2.INTER_AREA if side > IMAGE_SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (IMAGE_SIZE, IMAGE_SIZE), interpolation=method), np.uint8)


def square_around(box: Box) -> tuple[int, int, int]:
    """Left, top and side, in whole pixels, of the square that is cut out for a box."""
    left, top, width, height = box
    side = max(1, round(max(width, height) * 1.1))
    return round(left + width / 2 - side / 2), round(top + height / 2 - side / 2), side
