"""`Predictor`: pictures in, faces with their emotions out; by ONNX Runtime and OpenCV alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.decoding import pictures
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.decoding.pictures import decode_picture
from ferflow.data.images import to_grey_face
from ferflow.data.store import Images
from ferflow.errors import BadImageError
from ferflow.explain.heatmap import Run, heatmaps
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.serving.answering import choose_model
from ferflow.serving.crop import Box, cut_face
from ferflow.serving.defaults import MAX_PIXELS, MIN_SCORE
from ferflow.serving.devices import Device
from ferflow.serving.export_folder import Description, Precision
from ferflow.serving.face import TINY, Face
from ferflow.serving.finder import FinderPool, Found, finder_maker
from ferflow.serving.network import Network, Probabilities
from ferflow.serving.reading import Picture, read_picture

_LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture whose faces were found and not read yet.

    Attributes:
        boxes: The boxes of the faces.
        scores: The scores of the detector; None where none looked.
        crops: What the network will see of each.
    """

    boxes: tuple[Box, ...]
    scores: tuple[float | None, ...]
    crops: tuple[Images, ...]


class Predictor:
    """Finds faces in pictures and reads their emotions; safe to call from several threads.

    A picture is a path, the bytes of a file (JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF, HEIC), what `read` made
    of one, or an (H, W) or (H, W, 3) uint8 array, blue first as OpenCV decodes. EXIF orientation is applied
    to files. Boxes are in pixels of the picture in the file, even where it was reduced to be read.

    Args:
        folder: What `ferflow export` wrote; None: the folder `export/`, or the network that comes with
            ferflow where there is none.
        precision: `float32`, or `int8`: faster, and a little less exact.
        threads: Threads of the network; None: as many as this process has cores.
        min_score: Detector's score from which a face counts, above 0 and at most 1.
        max_pixels: Width times height that a picture may claim.
        max_faces: That a picture may show; None: any number.
        device: Where the network computes: `cpu`, `cuda`, `coreml`, `directml`, `openvino`, or `auto`: the
            best that the installed ONNX Runtime offers.
        detector: YuNet's ONNX file, `haar`, or `auto` (YuNet from the user's cache); None: the export's.
        box: Decodes files in processes of their own, within limits; None: here, for files that are trusted.

    Raises:
        ModelError: The folder is missing or damaged, or an argument is out of range.
        DetectorError: The detector cannot be used.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        min_score: float = MIN_SCORE,
        max_pixels: int = MAX_PIXELS,
        max_faces: int | None = None,
        device: Device = "auto",
        detector: str | Path | None = None,
        box: DecodeBox | None = None,
    ) -> None:
        self.model = choose_model(folder)
        self.description: Description = self.model.description
        place = self.model.folder
        self._finder = FinderPool(
            finder_maker(
                place,
                self.description,
                min_score=min_score,
                detector=None if detector is None else Path(detector),
            )
        )
        self._network = Network(place, self.description, precision=precision, threads=threads, device=device)
        self._decode = decode_picture if box is None else box.picture
        self._max_pixels = max_pixels
        self._max_faces = max_faces

    @property
    def device(self) -> Device:
        """Where the network computes."""
        return self._network.device

    def predict(self, image: Picture) -> list[Face]:
        """The faces of one picture, from left to right; none is an empty list.

        Raises:
            BadImageError: The picture cannot be read, or shows more faces than `max_faces`.
        """
        return self.predict_many([image])[0]

    def predict_many(self, images: Iterable[Picture]) -> list[list[Face]]:
        """The faces of many pictures, read in common batches.

        Raises:
            BadImageError: A picture cannot be read, or shows more faces than `max_faces`.
        """
        return self.read_prepared(self.prepare(image, number=number) for number, image in enumerate(images))

    def prepare(self, image: Picture, *, number: int = 0, whole: bool = False) -> Prepared:
        """Decode a picture, find its faces and cut them out: all but the network's part.

        Threads may do it for several pictures at once, each with a detector of its own.

        Args:
            image: The picture.
            number: Its number, to name it by where it has no path.
            whole: It is a cut-out face already; see `whole_images`.

        Raises:
            BadImageError: The picture cannot be read, or shows more faces than `max_faces`.
        """
        picture = self.read(image, number=number)
        pixels = picture.pixels
        if whole:
            return Prepared((_centred_square(picture),), (None,), (to_grey_face(pixels),))
        found = self._find(pixels, number)
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        crops = tuple(cut_face(np.asarray(grey, np.uint8), face.square) for face in found)
        boxes = tuple(_in_file(face, picture.scale).box for face in found)
        return Prepared(boxes, tuple(face.score for face in found), crops)

    def read_prepared(self, prepared: Iterable[Prepared]) -> list[list[Face]]:
        """The faces of pictures that were prepared, read in common batches."""
        waiting = list(prepared)
        crops = [crop for picture in waiting for crop in picture.crops]
        probabilities = iter(self.predict_faces(_stack(crops)))
        return [
            [
                self._face(box, score, next(probabilities), crop)
                for box, score, crop in zip(picture.boxes, picture.scores, picture.crops, strict=True)
            ]
            for picture in waiting
        ]

    def whole_image(self, image: Picture) -> Face:
        """The emotion of a picture that is a cut-out face already; see `whole_images`."""
        return self.whole_images([image])[0]

    def whole_images(self, images: Iterable[Picture]) -> list[Face]:
        """The emotions of pictures that are cut-out faces already, as those of the data set are.

        No detector looks: the largest centred square is the face, as `decode_face` takes it.

        Raises:
            BadImageError: A picture cannot be read.
        """
        prepared = (self.prepare(image, number=number, whole=True) for number, image in enumerate(images))
        return [face for faces in self.read_prepared(prepared) for face in faces]

    def predict_faces(self, faces: Images) -> Probabilities:
        """(N, 48, 48) uint8 grey faces to (N, 7) float32 probabilities, in the order of `EMOTIONS`.

        Raises:
            ModelError: The faces have another shape or type.
        """
        return self._network.predict(faces)

    def explain_faces(self, faces: Images) -> tuple[Probabilities, NDArray[np.float32]]:
        """What the network looked at for the emotion that it names, as `ferflow.explain.heatmap` finds it.

        With ten views it takes about twice as long as `predict_faces`, with one view twenty times; exports of
        earlier versions of ferflow always take twenty times as long.

        Args:
            faces: (N, 48, 48) uint8, grey.

        Returns:
            (N, 7) float32 probabilities and (N, 48, 48) float32 heatmaps: what speaks for the most
            probable emotion, 0-1, 1 at the strongest place; all 0 where nothing does.

        Raises:
            ModelError: The faces have another shape or type.
        """
        probabilities = self.predict_faces(faces)
        run = Run(self._network.predict, self._network.maps)
        return probabilities, heatmaps(run, faces, probabilities.argmax(axis=1))

    def confidence(self, probabilities: NDArray[np.float32]) -> float:
        """The confidence of an answer: the highest of (7,) probabilities after temperature scaling."""
        return float(self.calibrated(probabilities).max())

    def calibrated(self, probabilities: NDArray[Any]) -> NDArray[np.float64]:
        """(7,) probabilities after temperature scaling, which add up to 1.

        That is softmax(log p / T) with the temperature T of `export.json` (Guo et al. 2017).
        """
        scaled = np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))
        scaled /= self.description.temperature or 1.0
        exponentials = np.exp(scaled - scaled.max())
        return np.asarray(exponentials / exponentials.sum(), np.float64)

    def decode(self, image: Picture, *, number: int = 0) -> Images:
        """The pixels of `read`, (H, W) or (H, W, 3) uint8, upright, blue first."""
        return self.read(image, number=number).pixels

    def read(self, image: Picture, *, number: int = 0) -> pictures.Picture:
        """Decode a picture: upright, and reduced where it has more than 40 megapixels.

        Args:
            image: The picture.
            number: Its number, to name it by where it has no path.

        Raises:
            BadImageError: The picture cannot be read; the message names it.
        """
        return read_picture(image, self._decode, number=number, max_pixels=self._max_pixels)

    def _find(self, picture: Images, number: int) -> list[Found]:
        found = self._finder.find(picture)
        if self._max_faces is not None and len(found) > self._max_faces:
            raise BadImageError(
                f"picture {number}: shows {len(found)} faces, more than the limit of {self._max_faces}"
            )
        return found

    def _face(
        self,
        box: tuple[float, float, float, float],
        score: float | None,
        probabilities: NDArray[np.float32],
        crop: Images,
    ) -> Face:
        left, top, width, height = (round(value) for value in box)
        return Face(
            box=(left, top, width, height),
            score=score,
            probabilities=probabilities,
            emotion=EMOTIONS[int(probabilities.argmax())],
            confidence=self.confidence(probabilities),
            crop=crop,
            is_tiny=max(width, height) < TINY,
        )


def _in_file(face: Found, scale: int) -> Found:
    """A face of a reduced picture, with its box in pixels of the picture in the file."""
    left, top, width, height = (scale * value for value in face.box)
    return replace(face, box=(left, top, width, height))


def _centred_square(picture: pictures.Picture) -> tuple[int, int, int, int]:
    height, width = picture.height, picture.width
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side, side


def _stack(crops: Sequence[Images]) -> Images:
    return np.stack(crops) if crops else np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
