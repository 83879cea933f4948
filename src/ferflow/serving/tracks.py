"""Who is who from frame to frame: faces of a video keep a number, and their probabilities are smoothed.

A face is expected where its motion takes it (a Kalman filter with constant velocity). Faces that are found
are given to the faces that are expected so that the sum of the costs is least (the Hungarian method). A cost
is the distance of the centres in face sizes, plus the difference in size, plus how unlike the two cut-out
faces are. So faces that cross keep their number, though one of them may be hidden for a while.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferflow.labels import EMOTIONS
from ferflow.serving.assignment import assigned

if TYPE_CHECKING:
    from ferflow.serving.face import Face

SMOOTH = 0.5  # seconds
# A face is another one if its centre is further from where it was expected, in face sizes, or its size
# differs by more than this factor.
_FARTHEST, _MOST_GROWTH = 1.2, 2.0
# What two faces that are nothing alike cost, in face sizes.
_UNLIKE = 0.5
# A face that is not seen for so long, and in more than one look, is forgotten.
_FORGET = 2.0  # seconds
# Of the motion, in face sizes: how exact a box is, and by how much a velocity changes in a second.
_BOX_ERROR, _ACCELERATION = 0.06, 1.5
_FIRST_SPEED = 2.0  # face sizes a second that a new face may have
_SEEN_SIZE = 0.5  # weight of a new size


class Calibrator(Protocol):
    """What a tracker needs of the predictor."""

    def calibrated(self, probabilities: NDArray[Any]) -> NDArray[np.float64]:
        """(7,) probabilities after temperature scaling."""


@dataclass(eq=False)
class _Track:
    number: int
    face: Face  # as it was seen last, with smoothed probabilities
    seconds: float
    centre: NDArray[np.float64]  # (2,) pixels
    velocity: NDArray[np.float64]  # (2,) pixels a second
    size: NDArray[np.float64]  # (2,) pixels
    covariance: NDArray[np.float64]  # (2, 2) of place and velocity, the same for both directions
    num_missed: int = 0

    @property
    def side(self) -> float:
        return float(self.size.mean())

    def expected(self, seconds: float) -> NDArray[np.float64]:
        """Where the centre should be at a time."""
        return self.centre + self.velocity * (seconds - self.seconds)


class Tracker:
    """Follows the faces of one video.

    Args:
        predictor: Gives the confidence of smoothed probabilities.
        smooth: Time constant of the smoothing in seconds; 0: none. A look that lies this long back weighs
            1/e of the newest.
    """

    def __init__(self, predictor: Calibrator, *, smooth: float = SMOOTH) -> None:
        self._predictor = predictor
        self._smooth = smooth
        self._tracks: list[_Track] = []
        self._num_seen = 0

    def follow(self, faces: Sequence[Face], seconds: float) -> list[Face]:
        """The faces of a look, with their numbers from 1 on and smoothed probabilities.

        Args:
            faces: As they were found and read.
            seconds: Time of the frame; later than that of the look before.
        """
        matched = self._matched(faces, seconds)
        for track in self._tracks:
            track.num_missed += 1
        followed = []
        for place, face in enumerate(faces):
            known = matched.get(place)
            followed.append(
                self._begun(face, seconds) if known is None else self._moved(known, face, seconds)
            )
        self._tracks = [
            track for track in self._tracks if track.num_missed <= 1 or seconds - track.seconds <= _FORGET
        ]
        return followed

    def between(self, seconds: float) -> list[Face]:
        """The faces of the last look, moved on to a frame that is not looked at."""
        moved = []
        for track in self._tracks:
            if track.num_missed == 0:
                left, top = track.expected(seconds) - track.size / 2
                width, height = track.size
                box = (round(left), round(top), round(width), round(height))
                moved.append(replace(track.face, box=box))
        return sorted(moved, key=lambda face: face.box)

    def _matched(self, faces: Sequence[Face], seconds: float) -> dict[int, _Track]:
        """The place of each face that is known, and its track."""
        if not faces or not self._tracks:
            return {}
        costs = np.array([[_cost(track, face, seconds) for face in faces] for track in self._tracks])
        # What may not be matched costs more than all the rest together.
        finite = np.where(np.isfinite(costs), costs, 1e6)
        return {
            column: self._tracks[row] for row, column in assigned(finite) if math.isfinite(costs[row, column])
        }

    def _begun(self, face: Face, seconds: float) -> Face:
        self._num_seen += 1
        known = replace(face, track=self._num_seen)
        size = np.array(face.box[2:], np.float64)
        side = float(size.mean())
        covariance = np.diag([(_BOX_ERROR * side) ** 2, (_FIRST_SPEED * side) ** 2])
        self._tracks.append(
            _Track(self._num_seen, known, seconds, _centre(face), np.zeros(2), size, covariance)
        )
        return known

    def _moved(self, track: _Track, face: Face, seconds: float) -> Face:
        elapsed = max(0.0, seconds - track.seconds)
        _correct(track, face, elapsed)
        track.seconds = seconds
        track.num_missed = 0
        weight = 1.0 if self._smooth <= 0 else 1 - math.exp(-elapsed / self._smooth)
        before = track.face.probabilities.astype(np.float64)
        probabilities = (before + weight * (face.probabilities - before)).astype(np.float32)
        best = int(probabilities.argmax())
        track.face = replace(
            face,
            track=track.number,
            probabilities=probabilities,
            emotion=EMOTIONS[best],
            confidence=float(self._predictor.calibrated(probabilities).max()),
        )
        return track.face


def _cost(track: _Track, face: Face, seconds: float) -> float:
    """What it costs to take a face for one that is known; infinite where it cannot be."""
    side = (track.side + (face.box[2] + face.box[3]) / 2) / 2
    distance = float(np.linalg.norm(_centre(face) - track.expected(seconds))) / side
    growth = abs(math.log(max(1.0, face.box[3]) / max(1.0, float(track.size[1]))))
    if distance > _FARTHEST or growth > math.log(_MOST_GROWTH):
        return math.inf
    return distance + growth + _UNLIKE * (1 - _likeness(track.face.crop, face.crop)) / 2


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two cut-out faces, -1 to 1; 0 where one is of one grey."""
    first, second = (crop.astype(np.float64) - crop.mean() for crop in (one, other))
    norm = math.sqrt(float((first**2).sum()) * float((second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else 0.0


def _correct(track: _Track, face: Face, elapsed: float) -> None:
    """One step of the Kalman filter: move on, then take the new place into account."""
    side = track.side
    step = np.array([[1.0, elapsed], [0.0, 1.0]])
    push = np.array([elapsed**2 / 2, elapsed]) * _ACCELERATION * side
    covariance = step @ track.covariance @ step.T + np.outer(push, push)
    gain = covariance[:, 0] / (covariance[0, 0] + (_BOX_ERROR * side) ** 2)
    surprise = _centre(face) - (track.centre + track.velocity * elapsed)
    track.centre = track.centre + track.velocity * elapsed + gain[0] * surprise
    track.velocity = track.velocity + gain[1] * surprise
    track.covariance = covariance - np.outer(gain, covariance[0])
    track.size = track.size + _SEEN_SIZE * (np.array(face.box[2:], np.float64) - track.size)


def _centre(face: Face) -> NDArray[np.float64]:
    left, top, width, height = face.box
    return np.array([left + width / 2, top + height / 2])
