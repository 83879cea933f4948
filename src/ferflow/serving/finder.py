"""Faces in a photo: YuNet where the export folder or the user's cache has it, else OpenCV's Haar cascade.

A photo is looked at with its longest side between 320 and 1280 px: larger ones are reduced, those below
640 px enlarged up to twice. YuNet sees faces of about 16 to 450 px of what it is given, so that it
takes a second look at 320 px for faces that fill the photo.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from ferflow.data.faces.detector_at_hand import detector_at_hand
from ferflow.data.store import Images
from ferflow.errors import DetectorError
from ferflow.serving.crop import HAAR_MARGIN, YUNET_MARGIN, Box, Margin, Square, square_around
from ferflow.serving.export_folder import DETECTOR, Description, read_file

# Longest sides in pixels: of the second look and of the smallest first one, of what is enlarged, of all.
_SMALL, _ENLARGED, _LARGE = 320, 640, 1280
_MOST_ENLARGEMENT = 2.0
# Two boxes are one face from this intersection over union on.
_OVERLAP = 0.3
_MOST_CANDIDATES = 5000
# Of the cascade: growth a step, smallest face in pixels, votes that score 0.5, frame as share of the side.
_STEP, _SMALLEST, _HALF_SCORE_VOTES, _FRAME = 1.1, 24, 5, 0.125


@dataclass(frozen=True)
class Found:
    """A face that was found.

    Attributes:
        box: The detector's box, in pixels of the photo; a part may lie outside.
        square: What to cut out for the network.
        score: How sure the detector is, 0-1.
    """

    box: Box
    square: Square
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
            # One a look: a network that gets another size sets itself up anew, which costs half a look.
            self._networks = [
                cv2.FaceDetectorYN.create(
                    "onnx", model, nothing, (_SMALL, _SMALL), min_score, _OVERLAP, _MOST_CANDIDATES
                )
                for _ in range(2)
            ]
        except cv2.error as error:
            raise self._error(error) from error

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""
        colour = photo if photo.ndim == 3 else np.asarray(cv2.cvtColor(photo, cv2.COLOR_GRAY2BGR), np.uint8)
        longest = max(photo.shape[:2])
        scales = {first_scale(longest), _SMALL / longest}
        looks = zip(self._networks, sorted(scales), strict=False)
        seen = [candidate for network, scale in looks for candidate in self._look(network, colour, scale)]
        return _in_order(_without_doubles(seen), YUNET_MARGIN)

    def _look(self, network: cv2.FaceDetectorYN, photo: Images, scale: float) -> list[tuple[Box, float]]:
        scaled = scaled_by(photo, scale)
        with self._lock:
            try:
                network.setInputSize((scaled.shape[1], scaled.shape[0]))
                _, rows = network.detect(scaled)
            except cv2.error as error:
                raise self._error(error) from error
        if rows is None:
            return []
        seen = [(_box(row[:4] / scale), float(row[-1])) for row in rows]
        return [(box, score) for box, score in seen if _is_plausible(box, photo)]

    def _error(self, error: cv2.error) -> DetectorError:
        return DetectorError(
            f"{self._path}: OpenCV cannot use it as YuNet ({' '.join(str(error).split())}); "
            "name another file, or write the export again with 'ferflow export'"
        )


class HaarFinder:
    """OpenCV's cascade `frontalface_alt2`, as the face filter uses it for the drawn sample.

    It slides over the photo in growing sizes; hits close by are grouped, and the size of a group are
    its votes. The score is votes / (votes + 5).

    Args:
        min_score: Score from which a face counts.
    """

    def __init__(self, *, min_score: float) -> None:
        self._min_score = min_score
        self._lock = threading.Lock()
        name = "haarcascade_frontalface_alt2.xml"
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / name))

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""
        grey = photo if photo.ndim == 2 else np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), np.uint8)
        scale = first_scale(max(photo.shape[:2]))
        scaled = scaled_by(grey, scale)
        # A cascade finds no face that reaches the border: edge pixels go on around the photo.
        frame = round(_FRAME * min(scaled.shape))
        framed = cv2.copyMakeBorder(scaled, *(frame,) * 4, borderType=cv2.BORDER_REPLICATE)
        with self._lock:
            boxes, votes = self._cascade.detectMultiScale2(
                framed, scaleFactor=_STEP, minNeighbors=1, minSize=(_SMALLEST, _SMALLEST)
            )
        seen = [
            (_box((np.asarray(box) - (frame, frame, 0, 0)) / scale), float(vote / (vote + _HALF_SCORE_VOTES)))
            for box, vote in zip(boxes, votes, strict=True)
        ]
        likely = [(box, score) for box, score in seen if score >= self._min_score]
        return _in_order(_without_doubles(likely), HAAR_MARGIN)


class FinderPool:
    """Finders for as many threads as look at once: each looks at one photo at a time.

    Args:
        make: Opens a finder; the first is opened at once, so that an error comes early.
    """

    def __init__(self, make: Callable[[], Finder]) -> None:
        self._make = make
        self._idle: queue.LifoQueue[Finder] = queue.LifoQueue()
        self._idle.put(make())

    def find(self, photo: Images) -> list[Found]:
        """The faces of a (H, W) or (H, W, 3) uint8 photo, from left to right."""
        try:
            finder = self._idle.get_nowait()
        except queue.Empty:
            finder = self._make()
        try:
            return finder.find(photo)
        finally:
            self._idle.put(finder)


def finder_maker(
    folder: Path, description: Description, *, min_score: float, detector: Path | None = None
) -> Callable[[], Finder]:
    """What opens the detector that was named, else the one that `export.json` names; it is looked for once.

    Args:
        folder: The export.
        description: Its `export.json`; where that says `auto`, YuNet of the user's cache, fetched if need be,
            else the Haar cascade.
        min_score: Detector's score from which a face counts.
        detector: YuNet's ONNX file, or `haar`; None: as the export says.

    Raises:
        ModelError: The file of the export is missing or another one.
        DetectorError: The detector is missing or cannot be loaded, or the score is no score.
    """
    if not 0 < min_score <= 1:
        raise DetectorError(f"the lowest score of a face is {min_score}, expected more than 0 and at most 1")
    kind = description.detector if detector is None else detector.as_posix()
    if kind == "haar":
        return partial(HaarFinder, min_score=min_score)
    if kind == "yunet" and detector is None:
        content = read_file(folder, DETECTOR, description)
        return partial(YuNetFinder, content, path=folder / DETECTOR, min_score=min_score)
    if kind != "auto":
        return partial(YuNetFinder, _read_detector(Path(kind)), path=Path(kind), min_score=min_score)
    found = detector_at_hand()
    if found is None:
        return partial(HaarFinder, min_score=min_score)
    path, content = found
    return partial(YuNetFinder, content, path=path, min_score=min_score)


def open_finder(
    folder: Path, description: Description, *, min_score: float, detector: Path | None = None
) -> Finder:
    """One finder, as `finder_maker` chooses it."""
    return finder_maker(folder, description, min_score=min_score, detector=detector)()


def _read_detector(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DetectorError(
            f"{path}: the face detector cannot be read ({error.strerror}); name YuNet's ONNX file, or haar"
        ) from error


def first_scale(longest: int) -> float:
    """By how much a photo is enlarged, or reduced, for the look that finds small faces."""
    enlarged = min(_ENLARGED, _MOST_ENLARGEMENT * longest)
    return min(_LARGE, max(longest, enlarged, _SMALL)) / longest


def scaled_by(photo: Images, scale: float) -> Images:
    """A photo enlarged bilinearly or reduced by area."""
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    if size == (photo.shape[1], photo.shape[0]):
        return photo
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(photo, size, interpolation=method), np.uint8)


def _without_doubles(seen: list[tuple[Box, float]]) -> list[tuple[Box, float]]:
    """Of boxes that overlap, the surest."""
    if not seen:
        return []
    boxes, scores = [box for box, _ in seen], [score for _, score in seen]
    return [seen[int(row)] for row in cv2.dnn.NMSBoxes(boxes, scores, 0.0, _OVERLAP)]


def _is_plausible(box: Box, photo: Images) -> bool:
    """False for what YuNet makes of a strip a pixel high: boxes without end, or beyond the photo."""
    left, top, width, height = box
    if not all(map(math.isfinite, box)) or max(width, height) > 2 * max(photo.shape[:2]):
        return False
    is_inside = 0 <= left + width / 2 <= photo.shape[1] and 0 <= top + height / 2 <= photo.shape[0]
    return bool(is_inside)


def _in_order(seen: list[tuple[Box, float]], margin: Margin) -> list[Found]:
    return [Found(box, square_around(box, margin), score) for box, score in sorted(seen)]


def _box(values: NDArray[Any]) -> Box:
    left, top, width, height = (float(value) for value in values)
    return left, top, width, height
