"""Videos for tests: drawn faces that move over a plain wall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tests.serving.pictures import drawn_faces, photo_of

SIZE = (360, 640)  # height, width
_SIDE = 144


def write_frames(path: Path, frames: list[np.ndarray], *, fps: float) -> Path:
    height, width = frames[0].shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (width, height))
    for frame in frames:
        video.write(frame if frame.ndim == 3 else np.dstack([frame] * 3))
    video.release()
    return path


def crossing(num_frames: int, *, left: int = 0, right: int = 1, rise: int = 0) -> list[np.ndarray]:
    """Two drawn faces that walk past one another: the first to the right, in front of the second.

    Args:
        num_frames: Of the video.
        left: Number of the drawn face that starts at the left.
        right: Number of the other.
        rise: Pixels by which the second walks higher.
    """
    first, second = (cv2.resize(drawn_faces()[number], (_SIDE, _SIDE)) for number in (left, right))
    frames = []
    for number in range(num_frames):
        way = round((SIZE[1] - _SIDE - 40) * number / (num_frames - 1))
        frame = photo_of([], shape=SIZE)
        for face, x, y in ((second, SIZE[1] - _SIDE - 20 - way, 100 - rise), (first, 20 + way, 100)):
            frame[y : y + _SIDE, x : x + _SIDE] = face
        frames.append(frame)
    return frames


def walked(num_frames: int, place_of: Callable[[int], tuple[int, int]]) -> list[np.ndarray]:
    """One drawn face at the places that are given for each frame."""
    return [photo_of([(*place_of(number), _SIDE)], shape=SIZE) for number in range(num_frames)]
