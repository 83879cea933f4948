"""A grey canvas for faces: shapes in face units, turned and placed by the view of the face.

Face units: a face is about 125 wide and 180 high, its middle is (0, 0), x grows to the right and
y downwards. Points are placed to a sixteenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.drawn.face_traits import View
from ferflow.labels import IMAGE_SIZE

Points = NDArray[np.float64]
Picture = NDArray[np.uint8]

# A canvas shows this many face units, whatever its pixels.
FRAME = 192
# From -1 to 1: the parameter of lids, lips and other curves with two ends.
ALONG = np.linspace(-1, 1, 15)
_TURN = np.linspace(0, 2 * np.pi, 36, endpoint=False)
# Starts at the right, goes over the bottom (first half) to the left and over the top.
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)

_SHIFT = 4
_MIDDLE = np.array([0.5 * FRAME, 0.53 * FRAME])
# The head is half of an ellipsoid: what lies towards its middle moves more when it turns.
_HEAD_CURVE = np.array([95.0, 125.0]) ** -2
_HEAD_DEPTH = 75.0


class Canvas:
    """A square picture that is drawn on in face units.

    Attributes:
        picture: (pixels, pixels) uint8.
    """

    def __init__(self, view: View, picture: Picture) -> None:
        self.picture = picture
        self._zoom = len(picture) / FRAME
        cosine, sine = np.cos(view.roll), np.sin(view.roll)
        turn = view.scale * np.array([[cosine, sine], [-sine, cosine]])
        to_fixed_point = self._zoom * (1 << _SHIFT)
        self._matrix = np.diag(np.cos([view.yaw, view.pitch])) @ turn * to_fixed_point
        self._toward = np.sin([view.yaw, view.pitch]) @ turn * to_fixed_point
        self._middle = (_MIDDLE + np.array([view.shift_x, view.shift_y])) * to_fixed_point

    def fill(self, points: Points, tone: float, *, depth: float | None = None) -> None:
        """Fill a polygon with a grey level."""
        placed = self._place(points, depth)
        cv2.fillPoly(self.picture, [placed], _grey(tone), cv2.LINE_8, _SHIFT)

    def line(self, points: Points, tone: float, width: float, *, depth: float | None = None) -> None:
        """Draw an open line `width` units wide."""
        placed = self._place(points, depth)
        thickness = max(1, round(width * self._zoom))
        cv2.polylines(self.picture, [placed], False, _grey(tone), thickness, cv2.LINE_AA, _SHIFT)

    def strands(self, lines: Sequence[Points], tone: float, *, within: Points, depth: float) -> None:
        """Draw thin lines that are seen inside a polygon only."""
        drawn = self.picture.copy()
        placed = [self._place(line, depth) for line in lines]
        cv2.polylines(drawn, placed, False, _grey(tone), max(1, round(2 * self._zoom)), cv2.LINE_AA, _SHIFT)
        cv2.copyTo(drawn, self.mask(within, depth=depth), self.picture)

    def soften(self, points: Points, change: float, *, depth: float | None = None) -> None:
        """Make a polygon brighter or darker by `change` grey levels."""
        area = self._area(points, depth, _grey(abs(change)))
        combine = cv2.add if change > 0 else cv2.subtract
        combine(self.picture, area, dst=self.picture)

    def mask(self, points: Points, *, depth: float | None = None) -> Picture:
        """255 inside a polygon, 0 outside."""
        return self._area(points, depth, 255)

    def _area(self, points: Points, depth: float | None, tone: int) -> Picture:
        area: Picture = np.zeros(self.picture.shape, np.uint8)
        cv2.fillPoly(area, [self._place(points, depth)], tone, cv2.LINE_8, _SHIFT)
        return area

    def _place(self, points: Points, depth: float | None) -> NDArray[np.int32]:
        """Face units to fixed-point pixels; a depth of None is taken from the round of the head."""
        if depth is None:
            depths = _HEAD_DEPTH * np.sqrt(np.maximum(1 - (points * points) @ _HEAD_CURVE, 0))
            moved = depths[:, None] * self._toward
        else:
            moved = depth * self._toward
        placed: NDArray[np.int32] = np.rint(points @ self._matrix + (moved + self._middle)).astype(np.int32)
        return placed


def blank(tone: float, *, pixels: int = IMAGE_SIZE) -> Picture:
    """A picture of one grey level."""
    return np.full((pixels, pixels), _grey(tone), np.uint8)


def ellipse(x: float, y: float, half_width: float, half_height: float) -> Points:
    """An upright ellipse around (x, y)."""
    return CIRCLE * (half_width, half_height) + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """An upright rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def curve(x: Points, y: Points) -> Points:
    """A line through the points (x, y)."""
    return np.array([x, y]).T


def band(x: Points, top: Points, bottom: Points) -> Points:
    """The area between two curves over the same x."""
    return np.concatenate([curve(x, top), curve(x, bottom)[::-1]])


def mirrored(right: Points) -> Points:
    """The whole shape of which the right half is given, from top to bottom or back."""
    return np.concatenate([right, (right * [-1, 1])[::-1]])


def crescent(x: float, y: float, half_width: float, thickness: float) -> Points:
    """A sickle that hangs below (x, y)."""
    fall = 1 - ALONG**2
    return band(x + half_width * ALONG, y + 3 * fall - thickness / 2, y + (3 + thickness) * fall)


def _grey(tone: float) -> int:
    return min(255, max(0, round(float(tone))))
