"""What lies behind a drawing, and how the finished drawing becomes a small, imperfect photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from ferflow.data.drawn.canvas import Picture
from ferflow.data.drawn.face_traits import View
from ferflow.labels import IMAGE_SIZE

# Drawings are this large, in pixels, and are reduced by area.
DRAWN_SIZE = IMAGE_SIZE * 4
# The grey level that stands for "no change": of light, and of layers of shading.
PLAIN = 128

_PIXELS = np.linspace(-1, 1, IMAGE_SIZE)
_LEAST_BLUR = 0.2


def background(generator: Generator) -> Picture:
    """A softly uneven wall, (192, 192) uint8."""
    patches = generator.normal(generator.uniform(40, 215), generator.uniform(3, 26), (3, 3))
    coarse = np.clip(np.rint(patches), 0, 255).astype(np.uint8)
    size = (DRAWN_SIZE, DRAWN_SIZE)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def photograph(picture: Picture, view: View, generator: Generator) -> Picture:
    """Light a drawing, reduce it, and add blur and grain.

    Args:
        picture: (192, 192) uint8.
        view: Light and quality.
        generator: Source of the grain.

    Returns:
        (48, 48) uint8, 0-255.
    """
    small = cv2.resize(picture, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    if view.blur > _LEAST_BLUR:
        small = cv2.GaussianBlur(small, (0, 0), view.blur)
    light = 1 + view.light_x * _PIXELS[None, :] + view.light_y * _PIXELS[:, None]
    lit = (small * light - PLAIN) * view.contrast + PLAIN + view.brightness
    lit += generator.normal(0, view.noise, lit.shape)
    finished: Picture = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return finished
