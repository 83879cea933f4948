"""Small grey pictures without any faces, for tests that compare images."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 48


def draw_pictures(count: int, *, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Pictures that have nothing in common: smoothed noise, (count, side, side) uint8."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, side, side)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(layer, (0, 0), 1.8) for layer in noise])
    return np.clip(128 + 170 * smooth, 0, 255).astype(np.uint8)


def brighten(picture: np.ndarray) -> np.ndarray:
    return np.clip(0.7 * picture + 50, 0, 255).astype(np.uint8)


def recompress(picture: np.ndarray) -> np.ndarray:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)


def shift(picture: np.ndarray) -> np.ndarray:
    moved = np.roll(picture, 1, axis=1)
    moved[:, 0] = moved[:, 1]
    return moved


def resize(picture: np.ndarray) -> np.ndarray:
    smaller = cv2.resize(picture, (36, 36), interpolation=cv2.INTER_AREA)
    return cv2.resize(smaller, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def stamp(picture: np.ndarray) -> np.ndarray:
    marked = picture.copy()
    cv2.putText(marked, "stock", (6, 30), cv2.FONT_HERSHEY_PLAIN, 0.8, 255, 1)
    return marked
