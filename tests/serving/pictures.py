"""Photos for tests: drawn faces, that the Haar cascade finds, on a plain wall."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from ferflow.data.drawn.sample import draw_sample
from ferflow.labels import EMOTIONS

WALL = 110


@cache
def drawn_faces() -> np.ndarray:
    """Drawn faces that are seen well, (N, 48, 48) uint8."""
    table = draw_sample(140, seed=5)
    happy = table.columns["label"] == EMOTIONS[3]
    return table.images[happy]


def photo_of(places: list[tuple[int, int, int]], *, shape: tuple[int, int] = (360, 480)) -> np.ndarray:
    """A grey photo with a drawn face at each (left, top, side)."""
    photo = np.full(shape, WALL, np.uint8)
    for face, (left, top, side) in zip(drawn_faces(), places, strict=False):
        photo[top : top + side, left : left + side] = cv2.resize(face, (side, side))
    return photo


def write_photo(path: Path, photo: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, photo)[1].tobytes())
    return path
