"""From a box around a face to the 48x48 picture that the network was trained on.

Where a detector's box lies within FER-2013's pictures tells how much of a photo around such a box makes a
picture like them (`python -m benchmarks.crop_margin` measures both, docs/predict.md has the figures):

- YuNet, 500 faces: median of the box's height 47.6 of 48 px, of its centre 24.3 and 24.3;
- Haar's alt2, 150 drawn faces: median of its square box's side 42.8 px, of its centre 24.5 and 26.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ferflow.data.store import Images
from ferflow.labels import IMAGE_SIZE

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Margin:
    """How the square that is cut out lies around a detector's box, in heights of the box.

    Attributes:
        side: Side of the square.
        rise: How far the square's centre lies above the box's centre.
    """

    side: float
    rise: float


# The median asks for a side of 1.01; faces pasted into pictures are read alike from 0.8 to 1.1.
YUNET_MARGIN = Margin(side=1.0, rise=0.01)
HAAR_MARGIN = Margin(side=1.12, rise=0.05)


@dataclass(frozen=True)
class Square:
    """A square in whole pixels of a photo; a part may lie outside."""

    left: int
    top: int
    side: int


def square_around(box: Box, margin: Margin) -> Square:
    """The square that is cut out for a box."""
    left, top, width, height = box
    side = max(1, round(height * margin.side))
    middle = top + height * (0.5 - margin.rise)
    return Square(round(left + width / 2 - side / 2), round(middle - side / 2), side)


def cut_face(grey: Images, square: Square) -> Images:
    """Cut a square out of a photo and bring it to 48 px, by area where it shrinks, else bilinear.

    Args:
        grey: (H, W) uint8 photo.
        square: What to cut out.

    Returns:
        (48, 48) uint8; beyond the photo's border its edge pixels go on.
    """
    rows = np.clip(np.arange(square.top, square.top + square.side), 0, grey.shape[0] - 1)
    columns = np.clip(np.arange(square.left, square.left + square.side), 0, grey.shape[1] - 1)
    # The inner part without copying row by row; `take` repeats the edge pixels.
    strip = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cut = strip.take(rows - rows[0], axis=0).take(columns - columns[0], axis=1)
    if square.side == IMAGE_SIZE:
        return np.ascontiguousarray(cut)
    method = cv2.INTER_AREA if square.side > IMAGE_SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (IMAGE_SIZE, IMAGE_SIZE), interpolation=method), np.uint8)
