"""Faces in a photo: YuNet where the export folder has it, else OpenCV's Haar cascade.

Both take a look at two scales: a small one for faces that fill the photo and a large one for small faces.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Images
from ferflow.errors import DetectorError
from ferflow.serving.crop import Box
from ferflow.serving.export_folder import DETECTOR, Description, read_file

# Longest side, in pixels, that a photo is scaled to for a look.
_LONGEST = 1280
_SMALLEST = 320
_OVERLAP = 0.3
_MOST_FACES = 5000


@dataclass(frozen=True)
class Found:
    """A face that was found: its box in pixels of the photo, and the detector's score, 0-1."""

    box: Box
    score: float


class Finder(Protocol):
    """Finds faces in a photo; safe to call from several threads."""

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""


class YuNetFinder:
    """YuNet, whose score is the geometric mean of its class and object probabilities.

    Args:
        content: The bytes of its ONNX file.
        path: Where they come from, for messages.
        min_score: Score from which a face counts.

    Raises:
        DetectorError: OpenCV cannot use the file as YuNet.
    """

    def __init__(self, content: bytes, *, path: Path, min_score: float) -> None:
        self._path = path
        self._lock = threading.Lock()
        model, nothing = np.frombuffer(content, np.uint8), np.zeros(0, np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", model, nothing, (_SMALLEST, _SMALLEST), min_score, _OVERLAP, _MOST_FACES
            )
        except cv2.error as error:
            raise self._error(error) from error

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""
        colour = photo if photo.ndim == 3 else np.asarray(cv2.cvtColor(photo, cv2.COLOR_GRAY2BGR), np.uint8)
        scale = _scale(photo)
        scaled = _scaled(colour, scale)
        with self._lock:
            try:
                self._network.setInputSize((scaled.shape[1], scaled.shape[0]))
                _, rows = self._network.detect(scaled)
            except cv2.error as error:
                raise self._error(error) from error
        found = [] if rows is None else [Found(_box(row[:4] / scale), float(row[-1])) for row in rows]
        return sorted(found, key=lambda face: face.box)

    def _error(self, error: cv2.error) -> DetectorError:
        return DetectorError(
            f"{self._path}: OpenCV cannot use it as YuNet ({' '.join(str(error).split())}); "
            "write the folder again with 'ferflow export'"
        )


class HaarFinder:
    """OpenCV's cascade `frontalface_alt2`, as the face filter uses it for the drawn sample.

    The score is votes / (votes + 5), where the votes are the hits that were grouped to the box.

    Args:
        min_score: Score from which a face counts.
    """

    def __init__(self, *, min_score: float) -> None:
        self._min_score = min_score
        self._lock = threading.Lock()
        self._cascade = cv2.CascadeClassifier(
            str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml")
        )

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""
        grey = photo if photo.ndim == 2 else np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), np.uint8)
        scale = _scale(photo)
        scaled = _scaled(grey, scale)
        with self._lock:
            boxes, votes = self._cascade.detectMultiScale2(scaled, scaleFactor=1.1, minNeighbors=1)
        found = [
            Found(_box(np.asarray(box) / scale), vote / (vote + 5))
            for box, vote in zip(boxes, votes, strict=True)
            if vote / (vote + 5) >= self._min_score
        ]
        return sorted(found, key=lambda face: face.box)


def open_finder(folder: Path, description: Description, *, min_score: float) -> Finder:
    """The detector that `export.json` names.

    Raises:
        ModelError: Its file is missing or another one.
        DetectorError: It cannot be loaded, or the score is no score.
    """
    if not 0 < min_score <= 1:
        raise DetectorError(f"the lowest score of a face is {min_score}, expected more than 0 and at most 1")
    if description.detector == "haar":
        return HaarFinder(min_score=min_score)
    content = read_file(folder, DETECTOR, description)
    return YuNetFinder(content, path=folder / DETECTOR, min_score=min_score)


def _scale(photo: Images) -> float:
    longest = int(max(photo.shape[:2]))
    if longest > _LONGEST:
        return _LONGEST / longest
    return max(1.0, _SMALLEST / longest)


def _scaled(photo: Images, scale: float) -> Images:
    if scale == 1:
        return photo
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(photo, size, interpolation=method), np.uint8)


def _box(values: NDArray[Any]) -> Box:
    left, top, width, height = (float(value) for value in values)
    return left, top, width, height
