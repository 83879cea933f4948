"""How much of a photo to cut out around a detector's box, and how small a face may be.

    python -m benchmarks.crop_margin --split data/split --export export

Three figures, on test images drawn at random:

- where the detector's box lies within the data set's own pictures: the margins of `ferflow.serving.crop`;
- accuracy on faces that are pasted into larger pictures at three times their size, found and cut out
  with that and with other margins, against the plain 48 px image: on a grey wall, and within its own blurred
  reflection;
- accuracy on faces that are reduced and enlarged again: what `is_tiny` means.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive
from ferflow import Predictor
from ferflow.data.store import Images
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError
from ferflow.labels import IMAGE_SIZE
from ferflow.serving.crop import HAAR_MARGIN, YUNET_MARGIN, Margin, cut_face, square_around
from ferflow.serving.finder import Finder, Found, open_finder

_SIDES = (0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
_SIZES = (48, 32, 24, 20, 16, 12)
_PASTED = 3 * IMAGE_SIZE
_WALL = 110
# A box counts for the pasted face if its centre is at most this far from the face's, in sides of the face.
_NEAR = 0.5
_MIN_SCORE = 0.5
_SEED = 1


def main() -> None:
    """Measure and print; with --json one more line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, default=Path("data/split"), help="folder of the split stage")
    parser.add_argument("--export", type=Path, default=Path("export"), help="what ferflow export wrote")
    parser.add_argument("--images", type=positive, default=1000, help="test images to take")
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        result = measure(arguments.split / "test.npz", arguments.export, num_images=arguments.images)
    print(table(result))
    finish(result, arguments)


def measure(test_path: Path, export: Path, *, num_images: int) -> dict[str, Any]:
    """All figures.

    Raises:
        DataError: The test subset cannot be read, or no face of it is found.
        ModelError: The export cannot be used.
    """
    test = load_subset(test_path)
    chosen = np.random.default_rng(_SEED).permutation(len(test.images))[:num_images]
    images, labels = test.images[chosen], test.labels[chosen]
    predictor = Predictor(export)
    finder = open_finder(export, predictor.description, min_score=_MIN_SCORE)
    margin = YUNET_MARGIN if predictor.description.detector == "yunet" else HAAR_MARGIN

    def accuracy(faces: Images, rows: Any) -> float:
        return float((predictor.predict_faces(faces).argmax(axis=1) == labels[rows]).mean())

    everything = np.arange(len(images))
    return {
        "detector": predictor.description.detector,
        "images": len(images),
        "plain_accuracy": accuracy(images, everything),
        "box_in_data": box_in_data(images, finder),
        "pasted": {
            name: _pasted(images, surroundings, finder, margin, accuracy)
            for name, surroundings in (("wall", _on_wall), ("blurred reflection", _in_reflection))
        },
        "accuracy_of_size": {size: accuracy(_reduced(images, size), everything) for size in _SIZES},
    }


def box_in_data(images: Images, finder: Finder) -> dict[str, Any]:
    """Share of pictures with a box, and median and 5th and 95th percentile of where it lies, in pixels of 48.

    Raises:
        DataError: No picture has one.
    """
    found = [max(faces, key=lambda face: face.score) for image in images if (faces := finder.find(image))]
    if not found:
        raise DataError("no face was found in any of the images; take more, or another detector")
    boxes = np.array([face.box for face in found])
    values = {
        "centre_x": boxes[:, 0] + boxes[:, 2] / 2,
        "centre_y": boxes[:, 1] + boxes[:, 3] / 2,
        "width": boxes[:, 2],
        "height": boxes[:, 3],
    }
    return {"found": len(found) / len(images)} | {
        name: [round(float(value), 2) for value in np.percentile(column, (50, 5, 95))]
        for name, column in values.items()
    }


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    box = result["box_in_data"]
    lines = [
        f"box of {result['detector']} within {result['images']:,} pictures ({box['found']:.1%} have one)"
    ]
    lines += [f"  {name}: {box[name][0]} (5 % {box[name][1]}, 95 % {box[name][2]})" for name in list(box)[1:]]
    lines += [f"plain 48 px images: accuracy {result['plain_accuracy']:.1%}", "", "| margin |"]
    names = list(result["pasted"])
    lines[-1] += "".join(f" {name} |" for name in names)
    lines.append("|---|" + "---|" * len(names))
    rows = {"found": "found", "plain": "the same faces, plain"} | {
        f"{side:g}": f"{side:g} heights of the box" for side in _SIDES
    }
    for key, title in rows.items():
        cells = "".join(f" {result['pasted'][name][key]:.1%} |" for name in names)
        lines.append(f"| {title} |{cells}")
    lines += ["", "| reduced to | accuracy |", "|---|---|"]
    lines += [f"| {size} px | {value:.1%} |" for size, value in result["accuracy_of_size"].items()]
    return "\n".join(lines)


def _pasted(
    images: Images, surroundings: Any, finder: Finder, margin: Margin, accuracy: Any
) -> dict[str, float]:
    """Share of pasted faces that are found, and accuracy on those: plain, and by side of the square."""
    rows, photos, found = [], [], []
    for row, image in enumerate(images):
        photo = surroundings(cv2.resize(image, (_PASTED, _PASTED), interpolation=cv2.INTER_LINEAR))
        near = [face for face in finder.find(photo) if _is_near(face, photo)]
        if near:
            rows.append(row)
            photos.append(photo)
            found.append(max(near, key=lambda face: face.score))
    if not rows:
        raise DataError("no pasted face was found; take more images, or another detector")
    figures = {"found": len(rows) / len(images), "plain": accuracy(images[rows], rows)}
    for side in _SIDES:
        squares = [square_around(face.box, Margin(side, margin.rise)) for face in found]
        cut = [cut_face(photo, square) for photo, square in zip(photos, squares, strict=True)]
        figures[f"{side:g}"] = accuracy(np.stack(cut), rows)
    return figures


def _is_near(face: Found, photo: Images) -> bool:
    left, top, width, height = face.box
    offset = max(abs(left + width / 2 - photo.shape[1] / 2), abs(top + height / 2 - photo.shape[0] / 2))
    return offset <= _NEAR * _PASTED


def _on_wall(face: Images) -> Images:
    frame = (_PASTED,) * 4
    return np.asarray(cv2.copyMakeBorder(face, *frame, cv2.BORDER_CONSTANT, value=_WALL), np.uint8)


def _in_reflection(face: Images) -> Images:
    reflected = cv2.copyMakeBorder(face, *(_PASTED,) * 4, cv2.BORDER_REFLECT)
    photo = cv2.GaussianBlur(reflected, (0, 0), _PASTED / 6)
    photo[_PASTED : 2 * _PASTED, _PASTED : 2 * _PASTED] = face
    return np.asarray(photo, np.uint8)


def _reduced(images: Images, size: int) -> Images:
    if size == IMAGE_SIZE:
        return images
    whole = (IMAGE_SIZE, IMAGE_SIZE)
    return np.stack(
        [
            cv2.resize(
                cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA),
                whole,
                interpolation=cv2.INTER_LINEAR,
            )
            for image in images
        ]
    ).astype(np.uint8)


if __name__ == "__main__":
    main()
