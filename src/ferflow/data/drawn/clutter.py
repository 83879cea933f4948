"""Drawing of images that show no face: what FER-2013 holds by mistake, for the face filter to find."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from ferflow.data.drawn.canvas import Picture
from ferflow.data.drawn.face_traits import random_view
from ferflow.data.drawn.photograph import DRAWN_SIZE, background, photograph


def draw_clutter(generator: Generator, number: int) -> Picture:
    """Draw an image without a face.

    Args:
        generator: Source of everything that varies.
        number: Chooses the kind; consecutive numbers take the kinds in turn.

    Returns:
        (48, 48) uint8, 0-255.
    """
    drawn = _KINDS[number % len(_KINDS)](generator)
    return photograph(drawn, random_view(generator), generator)


def _wall(generator: Generator) -> Picture:
    return background(generator)


def _gradient(generator: Generator) -> Picture:
    first, last = generator.uniform(0, 110), generator.uniform(145, 255)
    ramp = np.linspace(first, last, DRAWN_SIZE)[None, :] + np.zeros((DRAWN_SIZE, 1))
    return np.ascontiguousarray(np.rot90(np.rint(ramp).astype(np.uint8), int(generator.integers(4))))


def _text(generator: Generator) -> Picture:
    """One word of upright and level strokes, as on a sign."""
    page = _plain(generator.uniform(170, 250))
    ink, top = round(generator.uniform(10, 90)), int(generator.integers(30, 110))
    height, left = int(generator.integers(30, 56)), int(generator.integers(6, 30))
    while left < DRAWN_SIZE - 26:
        stroke = int(generator.integers(5, 9))
        width = int(generator.integers(14, 26))
        cv2.rectangle(page, (left, top), (left + stroke, top + height), ink, -1)
        level = top + int(generator.integers(0, 3)) * (height - stroke) // 2
        cv2.rectangle(page, (left, level), (left + width, level + stroke), ink, -1)
        left += width + 9
    return page


def _shapes(generator: Generator) -> Picture:
    page = _plain(generator.uniform(60, 230))
    for corners in generator.integers(3, 7, size=5):
        turns = np.sort(generator.uniform(0, 2 * np.pi, corners))
        around = np.stack([np.cos(turns), np.sin(turns)], axis=1) * generator.uniform(20, 60)
        points = np.rint(around + generator.uniform(20, DRAWN_SIZE - 20, 2)).astype(np.int32)
        cv2.fillPoly(page, [points], int(generator.integers(0, 255)))
    return page


def _grain(generator: Generator) -> Picture:
    cells = int(generator.choice([12, 24, 48, 96]))
    noise = generator.integers(0, 256, (cells, cells), dtype=np.uint8)
    enlarged = cv2.resize(noise, (DRAWN_SIZE, DRAWN_SIZE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, np.uint8)


def _checkerboard(generator: Generator) -> Picture:
    cell = int(generator.integers(8, 33))
    offset = generator.integers(0, cell, 2)
    places = np.arange(DRAWN_SIZE)
    odd = ((places + offset[0]) // cell)[:, None] + ((places + offset[1]) // cell)[None, :]
    dark, bright = generator.uniform(10, 90), generator.uniform(150, 245)
    return np.where(odd % 2 == 1, dark, bright).astype(np.uint8)


def _landscape(generator: Generator) -> Picture:
    sky = np.linspace(generator.uniform(140, 190), generator.uniform(200, 250), DRAWN_SIZE)
    page = np.rint(sky[:, None] + np.zeros((1, DRAWN_SIZE))).astype(np.uint8)
    across = np.linspace(0, 1, 49)
    for ridge in range(3):
        waves = generator.uniform(1, 3, 3)
        height = sum(np.sin(2 * np.pi * (wave * across + generator.random())) for wave in waves)
        y = DRAWN_SIZE * (0.45 + 0.17 * ridge) + 9 * height
        line = np.stack([across * DRAWN_SIZE, y], axis=1)
        corners = np.array([[DRAWN_SIZE, DRAWN_SIZE], [0, DRAWN_SIZE]])
        points = np.rint(np.concatenate([line, corners])).astype(np.int32)
        cv2.fillPoly(page, [points], int(150 - 45 * ridge + generator.integers(-12, 12)))
    return page


def _plain(tone: float) -> Picture:
    return np.full((DRAWN_SIZE, DRAWN_SIZE), round(tone), np.uint8)


_KINDS = (_wall, _gradient, _text, _shapes, _grain, _checkerboard, _landscape)
