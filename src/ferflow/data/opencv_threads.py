"""OpenCV's own threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """Keep OpenCV from threads of its own while ours share the work; they would fight for the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
