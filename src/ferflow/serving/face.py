"""A face that was found in a picture, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Images
from ferflow.labels import EMOTIONS

# A face whose box is smaller than this, in pixels of the photo, is answered but marked: FER-2013's faces
# reduced to 24 px and enlarged again are read 9 points worse than at 48 px, at 20 px 17 points.
TINY = 24


@dataclass(frozen=True, eq=False)
class Face:
    """A face and what it shows.

    Attributes:
        box: Left, top, width, height in pixels of the upright picture; a part may lie outside.
        score: How sure the detector is, 0-1; None where none looked.
        probabilities: (7,) float32, in the order of `labels`; in a video smoothed over time.
        emotion: The most probable one.
        confidence: Its probability after temperature scaling, 0-1.
        crop: (48, 48) uint8, 0-255, grey: what the network saw.
        is_tiny: The box is so small that the answer is hardly more than a guess.
        labels: What the probabilities are of: `EMOTIONS`, or the classes of a `Grouping`.
        track: Number of the face in a video, from 1 on, the same in all its frames; None for pictures.
    """

    box: tuple[int, int, int, int]
    score: float | None
    probabilities: NDArray[np.float32]
    emotion: str
    confidence: float
    crop: Images
    is_tiny: bool
    labels: tuple[str, ...] = EMOTIONS
    track: int | None = None
