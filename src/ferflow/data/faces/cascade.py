"""Does a 48x48 image show a face? A cascade of looks: a cheap one first, expensive ones for what failed.

Two detectors share the interface `FaceDetector`: YuNet (a network of 0.2 MB, found beside the data)
and, where it is absent, the Haar cascades that come with OpenCV. Each look gives a score of 0 to 1;
an image's score is the best of the looks that were taken, and no further look is taken once one
reaches the accepting score.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Protocol

import cv2
import cv2.data
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from ferflow.data.opencv_threads import single_threaded_opencv
from ferflow.data.store import Images
from ferflow.errors import DetectorError
from ferflow.labels import IMAGE_SIZE
from ferflow.params import FaceFilterParams, HaarLook, YuNetLook
from ferflow.progress import track

Scores = NDArray[np.float64]

SCORE_DIGITS = 4
_CHUNK_IMAGES = 256
# YuNet keeps no candidate below this score: it is what "nothing seen" rounds to.
_LOWEST_SCORE = 0.01
# Overlaps between boxes do not matter here: only the best box's score is used.
_OVERLAP, _BEST_BOX_ONLY = 0.3, 1
_CONTRAST_TILES = (4, 4)


class FaceDetector(Protocol):
    """A detector that takes looks at an image, cheapest first."""

    name: str

    @property
    def num_looks(self) -> int:
        """How many different looks there are."""

    def look(self, image: NDArray[np.uint8], number: int) -> float:
        """The score, 0-1, of one look at one (48, 48) uint8 image; safe to call from threads."""


class YuNetDetector:
    """YuNet on the enlarged image, unturned or turned, with or without a dark margin.

    The score of a look is the confidence of the best box: the geometric mean of YuNet's class and
    object probabilities.

    Args:
        model_path: YuNet's ONNX file.
        looks: How to look, in order.

    Raises:
        DetectorError: The file is not a YuNet that this OpenCV can load.
    """

    name = "yunet"

    def __init__(self, model_path: Path, looks: Sequence[YuNetLook]) -> None:
        self._model_path = model_path
        self._looks = tuple(looks)
        self._of_thread = threading.local()
        self.look(np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8), 0)

    @property
    def num_looks(self) -> int:
        """How many different looks there are."""
        return len(self._looks)

    def look(self, image: NDArray[np.uint8], number: int) -> float:
        """The score, 0-1, of one look at one (48, 48) uint8 image."""
        prepared = _prepare(image, self._looks[number])
        try:
            _, boxes = self._network(prepared.shape[0]).detect(prepared)
        except cv2.error as error:
            raise DetectorError(
                f"{self._model_path}: OpenCV cannot use it as YuNet ({' '.join(str(error).split())}); "
                "run the download stage again, or set download.detector to another file"
            ) from error
        return 0.0 if boxes is None else float(boxes[:, -1].max())

    def _network(self, side: int) -> cv2.FaceDetectorYN:
        # One network a thread and size: they hold buffers, and another size means new buffers.
        networks = self._of_thread.__dict__.setdefault("networks", {})
        if side not in networks:
            networks[side] = cv2.FaceDetectorYN.create(
                str(self._model_path), "", (side, side), _LOWEST_SCORE, _OVERLAP, _BEST_BOX_ONLY
            )
        network: cv2.FaceDetectorYN = networks[side]
        return network


class HaarDetector:
    """OpenCV's Haar cascades on the enlarged image continued by its outermost pixels.

    A cascade slides over the image in growing sizes; neighbouring hits are grouped, and the size of
    the largest group are its votes. The score is votes / (votes + `half_score_votes`): 0 without a
    hit, 0.5 at `half_score_votes`, never 1.

    Args:
        looks: Which cascade with which enlargement, in order.

    Raises:
        DetectorError: A cascade is not part of this OpenCV.
    """

    name = "haar"

    def __init__(self, looks: Sequence[HaarLook]) -> None:
        self._looks = tuple(looks)
        self._of_thread = threading.local()
        for look in self._looks:
            self._cascade(look.cascade)

    @property
    def num_looks(self) -> int:
        """How many different looks there are."""
        return len(self._looks)

    def look(self, image: NDArray[np.uint8], number: int) -> float:
        """The score, 0-1, of one look at one (48, 48) uint8 image."""
        look = self._looks[number]
        enlarged = cv2.resize(image, (look.side, look.side), interpolation=cv2.INTER_LINEAR)
        margins = (look.margin,) * 4
        framed = cv2.copyMakeBorder(enlarged, *margins, borderType=cv2.BORDER_REPLICATE)
        _, votes = self._cascade(look.cascade).detectMultiScale2(
            framed, scaleFactor=look.step, minNeighbors=1, minSize=(look.smallest, look.smallest)
        )
        most = max(votes, default=0)
        return float(most / (most + look.half_score_votes))

    def _cascade(self, cascade: str) -> cv2.CascadeClassifier:
        cascades = self._of_thread.__dict__.setdefault("cascades", {})
        if cascade not in cascades:
            path = Path(cv2.data.haarcascades) / f"haarcascade_{cascade}.xml"
            if not path.is_file():
                raise DetectorError(
                    f"face_filter.haar_looks: OpenCV has no cascade {cascade!r} ({path.name} is not in "
                    f"{path.parent}); name one that is there"
                )
            cascades[cascade] = cv2.CascadeClassifier(str(path))
        classifier: cv2.CascadeClassifier = cascades[cascade]
        return classifier


def open_detector(model_path: Path, params: FaceFilterParams) -> FaceDetector:
    """YuNet if its file is there, else the Haar cascades.

    Raises:
        DetectorError: The detector cannot be loaded.
    """
    if model_path.is_file():
        return YuNetDetector(model_path, params.yunet_looks)
    return HaarDetector(params.haar_looks)


def score_faces(images: Images, detector: FaceDetector, *, accept_score: float, workers: int) -> Scores:
    """Score how surely each image shows a face.

    Args:
        images: (N, 48, 48) uint8, 0-255, grey.
        detector: Who looks.
        accept_score: From this score on no further look is taken.
        workers: Threads that share the images; the scores do not depend on it.

    Returns:
        (N,) float64, 0-1, the best score of the looks taken, rounded to `SCORE_DIGITS`. A constant
        image shows nothing and gets 0 without a look.
    """
    scores = np.zeros(len(images))
    undecided = np.flatnonzero(~is_constant(images))
    with single_threaded_opencv(), ThreadPoolExecutor(workers) as pool:
        for number in range(detector.num_looks):
            chunks = np.array_split(undecided, -(-len(undecided) // _CHUNK_IMAGES) or 1)
            seen = chain.from_iterable(pool.map(partial(_look_at, images, detector, number), chunks))
            label = f"looking for faces, look {number + 1} of {detector.num_looks}"
            new = np.fromiter(track(seen, total=len(undecided), label=label), np.float64, len(undecided))
            scores[undecided] = np.maximum(scores[undecided], new.round(SCORE_DIGITS))
            undecided = undecided[scores[undecided] < accept_score]
    return scores


def is_constant(images: Images) -> NDArray[np.bool_]:
    """(N,) bool: which of the (N, 48, 48) images have one grey value only."""
    constant: NDArray[np.bool_] = images.min(axis=(1, 2)) == images.max(axis=(1, 2))
    return constant


def _look_at(images: Images, detector: FaceDetector, number: int, rows: NDArray[np.intp]) -> list[float]:
    return [detector.look(images[row], number) for row in rows]


def _prepare(image: NDArray[np.uint8], look: YuNetLook) -> MatLike:
    """Turn, equalise, enlarge and frame an image as a look wants it: (S, S, 3) uint8."""
    turned: MatLike = np.ascontiguousarray(np.rot90(image, look.turn // 90))
    if look.contrast:
        turned = cv2.createCLAHE(look.contrast, _CONTRAST_TILES).apply(turned)
    enlarged = cv2.resize(turned, (look.side, look.side), interpolation=cv2.INTER_LINEAR)
    margins = (look.margin,) * 4
    framed = cv2.copyMakeBorder(enlarged, *margins, borderType=cv2.BORDER_CONSTANT, value=0)
    return cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR)
