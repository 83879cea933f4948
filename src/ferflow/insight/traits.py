"""What can be measured of a face image without knowing its emotion: light, sharpness, pose, copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Column, Images, read_csv
from ferflow.errors import DataError, DetectorError
from ferflow.progress import track

_OVERLAP, _MOST_BOXES = 0.3, 50
# Columns of a YuNet detection: box, then (x, y) of these, then the score.
_RIGHT_EYE, _LEFT_EYE, _NOSE = slice(4, 6), slice(6, 8), slice(8, 10)
# Side and margin of the enlarged image. At 64 pixels YuNet finds faces well enough, but its landmarks
# are upright however the head is tilted; the margin leaves room for landmarks outside the image.
_SIDE, _MARGIN = 192, 32
# A fainter find is left out: its landmarks are guesses.
_LEAST_SCORE = 0.5
# Eyes nearer than this share of the image's side are no frontal pair, and ratios to it explode.
_LEAST_EYE_DISTANCE = 0.1


@dataclass(frozen=True)
class Trait:
    """One thing that was measured of each image.

    Attributes:
        name: What it is.
        meaning: How it is measured, for people.
        values: (N,) float64; NaN where it could not be measured.
        unmeasured: Name of the bin of images without a value; without it they are in none.
        decimals: That a value is written with.
        edges: Inner edges of the bins, each the first value of a bin; without them quartiles.
        names: Names of the bins between fixed edges; without them their ranges.
    """

    name: str
    meaning: str
    values: NDArray[np.float64]
    unmeasured: str | None = None
    decimals: int = 0
    edges: tuple[float, ...] | None = None
    names: tuple[str, ...] | None = None


def pixel_traits(images: Images) -> list[Trait]:
    """Brightness, contrast and sharpness of (N, 48, 48) uint8 images."""
    flat = images.reshape(len(images), -1)
    sharpness = [cv2.Laplacian(image, cv2.CV_64F).var() for image in images]
    return [
        Trait("brightness", "mean grey value, 0 to 255", flat.mean(axis=1)),
        Trait("contrast", "standard deviation of the grey values", flat.std(axis=1)),
        Trait(
            "sharpness",
            "variance of the Laplacian; low values are blurred",
            np.array(sharpness, np.float64),
        ),
    ]


def pose_traits(images: Images, detector_path: Path) -> list[Trait]:
    """How far the head is turned and tilted, from YuNet's landmarks.

    Turn (yaw) is the distance of the nose from the middle between the eyes, along the line of the
    eyes, as a share of their distance: 0 looks straight ahead. It is a proxy, not an angle. Tilt
    (roll) is the angle of the line of the eyes. Left and right are not told apart.

    Args:
        images: (N, 48, 48) uint8, 0-255.
        detector_path: YuNet's ONNX file.

    Raises:
        DetectorError: The file is not a YuNet that this OpenCV can load.
    """
    try:
        side = _SIDE + 2 * _MARGIN
        network = cv2.FaceDetectorYN.create(
            str(detector_path), "", (side, side), _LEAST_SCORE, _OVERLAP, _MOST_BOXES
        )
        measured = [
            _turn_and_tilt(network, image)
            for image in track(images, total=len(images), label="finding eyes and nose")
        ]
    except cv2.error as error:
        raise DetectorError(
            f"{detector_path}: OpenCV cannot use it as YuNet ({' '.join(str(error).split())}); "
            "run the download stage again"
        ) from error
    values = np.array(measured, np.float64).reshape(-1, 2)
    return [
        Trait(
            "turn of the head",
            "nose's distance from the middle between the eyes, in eye distances",
            values[:, 0],
            unmeasured="no upright face found",
            decimals=2,
        ),
        Trait("tilt of the head", "angle of the line of the eyes, in degrees", values[:, 1], decimals=1),
    ]


def face_score_trait(index_path: Path, sha256: Column, files: Column) -> Trait | None:
    """The face filter's score; None where the filter left no index.

    Args:
        index_path: `index.csv` of the face-filter stage.
        sha256: (N,) hashes of the images.
        files: (N,) their names.

    Raises:
        DataError: The index is damaged, or lacks an image.
    """
    if not index_path.is_file():
        return None
    index = read_csv(index_path, ("file", "sha256", "face_score"))
    keys = zip(index["file"].tolist(), index["sha256"].tolist(), strict=True)
    scores: Mapping[tuple[str, str], str] = dict(zip(keys, index["face_score"].tolist(), strict=True))
    try:
        values = [float(scores[key]) for key in zip(files.tolist(), sha256.tolist(), strict=True)]
    except KeyError as error:
        raise DataError(
            f"{index_path}: holds no image {error.args[0][0]!r} of the split; run the split stage again"
        ) from None
    except ValueError as error:
        raise DataError(
            f"{index_path}: a face score is no number ({error}); run the face-filter stage again"
        ) from None
    return Trait("face score", "of the face filter's detector, 0 to 1", np.array(values), decimals=2)


def copies_trait(rows: NDArray[np.int64], groups: Column) -> Trait:
    """How many other copies of the picture there are, exact or near.

    Args:
        rows: (N,) the row of each image in the manifest.
        groups: (M,) the column `group` of the manifest.
    """
    pictures = np.unique(groups, return_inverse=True)[1]
    others = np.bincount(pictures)[pictures[rows]] - 1
    return Trait(
        "copies",
        "other images of the same picture, exact or near",
        others.astype(np.float64),
        edges=(1.0,),
        names=("none", "one or more"),
    )


def _turn_and_tilt(network: cv2.FaceDetectorYN, image: NDArray[np.uint8]) -> tuple[float, float]:
    """Of the surest face of one (48, 48) uint8 image; NaN, NaN where none is found."""
    enlarged = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    framed = cv2.copyMakeBorder(enlarged, *(_MARGIN,) * 4, borderType=cv2.BORDER_CONSTANT, value=0)
    _, faces = network.detect(cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR))
    if faces is None:
        return np.nan, np.nan
    face = faces[faces[:, -1].argmax()].astype(np.float64)
    right_eye, left_eye, nose = face[_RIGHT_EYE], face[_LEFT_EYE], face[_NOSE]
    along = left_eye - right_eye
    distance = float(np.hypot(*along))
    if distance < _LEAST_EYE_DISTANCE * _SIDE:
        return np.nan, np.nan
    offset = float((nose - (left_eye + right_eye) / 2) @ along) / distance**2
    return abs(offset), abs(float(np.degrees(np.arctan2(along[1], along[0]))))
