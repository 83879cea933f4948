"""Pictures with boxes around the faces and what they show written beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ferflow.data.store import Images
from ferflow.errors import OutputError
from ferflow.files import atomic_file
from ferflow.labels import EMOTIONS
from ferflow.serving.answers import UNSURE, answer_of
from ferflow.serving.face import Face

# Pictures below this are enlarged, so that words fit beside the faces.
_SMALLEST = 480
# Blue, green, red; Okabe and Ito's colours, which colour-blind people can tell apart, and grey.
_COLOURS = dict(
    zip(
        EMOTIONS,
        [
            (0, 94, 213),
            (115, 158, 0),
            (167, 121, 204),
            (66, 228, 240),
            (190, 190, 190),
            (233, 180, 86),
            (0, 159, 230),
        ],
        strict=True,
    )
)
# Colours of merged classes, by their places above: those of happy and of angry. Others take them in turn.
_PLACES = {"positive": 3, "negative": 0}
_UNSURE_COLOUR = (150, 150, 150)
_DARK, _LIGHT = (25, 25, 25), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX

_Place = tuple[int, int, int, int]  # left, top, right, bottom


def annotated(
    pixels: Images, faces: Sequence[Face], *, abstain_below: float = 0.0, warning: str | None = None
) -> Images:
    """Draw what was found.

    Args:
        pixels: (H, W) or (H, W, 3) uint8, blue first.
        faces: The faces, with boxes in its pixels.
        abstain_below: Confidence below which `unsure` is written.
        warning: Written over the lower edge.

    Returns:
        (H, W, 3) uint8, blue first; a picture below 480 px is enlarged to that.
    """
    colour = pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    factor = max(1.0, _SMALLEST / max(pixels.shape[:2]))
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    picture = cv2.resize(colour, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else colour.copy()
    boxes = [_scaled(face, factor) for face in faces]
    thickness = max(2, round(max(size) / 500))
    for face, (left, top, right, bottom) in zip(faces, boxes, strict=True):
        cv2.rectangle(picture, (left, top), (right, bottom), _DARK, thickness + 2, cv2.LINE_AA)
        colour_of_face = _colour(face, abstain_below)
        cv2.rectangle(picture, (left, top), (right, bottom), colour_of_face, thickness, cv2.LINE_AA)
    taken: list[_Place] = []
    for number, face in enumerate(faces):
        name = "" if face.track is None else f"{face.track}: "
        text = f"{name}{answer_of(face, abstain_below)} {face.confidence:.0%}"
        others = boxes[:number] + boxes[number + 1 :]
        place = _write(picture, text, boxes[number], _colour(face, abstain_below), taken, others)
        taken.append(place)
    if warning is not None:
        _write_over_edge(picture, warning)
    return np.asarray(picture, np.uint8)


def write_picture(path: Path, picture: Images) -> None:
    """Write a picture in the format that its name ends in.

    Raises:
        OutputError: It cannot be written.
    """
    was_encoded, content = cv2.imencode(path.suffix, picture)
    if not was_encoded:
        raise OutputError(f"{path}: OpenCV cannot encode it; choose .png or .jpg")
    with atomic_file(path) as fresh:
        fresh.write_bytes(content.tobytes())


def _write_over_edge(picture: cv2.typing.MatLike, text: str) -> None:
    """A line of text on a dark ground along the lower edge, as large as the width allows."""
    height, width = picture.shape[:2]
    (needed, _), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = min(0.7, 0.96 * width / needed)
    (_, letters), below = cv2.getTextSize(text, _FONT, scale, 1)
    top = height - letters - 2 * below - 2
    cv2.rectangle(picture, (0, top), (width, height), _DARK, cv2.FILLED)
    place = (round(0.02 * width), height - below - 2)
    cv2.putText(picture, text, place, _FONT, scale, _LIGHT, 1, cv2.LINE_AA)


def _write(
    picture: cv2.typing.MatLike,
    text: str,
    box: _Place,
    colour: tuple[int, int, int],
    taken: list[_Place],
    others: list[_Place],
) -> _Place:
    """Write a text beside a box where it hides least; returns the place that it takes."""
    height, width = picture.shape[:2]
    # As large as the picture allows, and smaller for faces that are narrower than the words.
    wanted = max(0.5, max(height, width) / 1600)
    (full, _), _ = cv2.getTextSize(text, _FONT, wanted, 1)
    scale = max(0.36, min(wanted, wanted * 1.1 * (box[2] - box[0]) / full))
    weight = max(1, round(scale * 1.5))
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, scale, weight)
    pad = max(3, round(text_height / 3))
    strip = pad + 2
    size = (text_width + 2 * pad + strip, text_height + 2 * pad)
    place = min(
        _candidates(box, size, (width, height)),
        key=lambda candidate: (
            3 * sum(_shared(candidate, other) for other in taken)
            + sum(_shared(candidate, other) for other in others)
            + 0.5 * _shared(candidate, box)
        ),
    )
    left, top, right, bottom = place
    cv2.rectangle(picture, (left, top), (right, bottom), _DARK, cv2.FILLED)
    cv2.rectangle(picture, (left, top), (left + strip - 1, bottom), colour, cv2.FILLED)
    origin = (left + strip + pad, bottom - pad)
    cv2.putText(picture, text, origin, _FONT, scale, _LIGHT, weight, cv2.LINE_AA)
    return place


def _candidates(box: _Place, size: tuple[int, int], bounds: tuple[int, int]) -> list[_Place]:
    """Places for a label: above, below, at either side, inside; the first is liked best."""
    left, top, right, bottom = box
    width, height = size
    corners = [
        (left, top - height),
        (left, bottom),
        (right - width, top - height),
        (right - width, bottom),
        (right, top),
        (left - width, top),
        (right, bottom - height),
        (left - width, bottom - height),
        (left, bottom - height),
        (left, top),
    ]
    moved = [
        (max(0, min(x, bounds[0] - 1 - width)), max(0, min(y, bounds[1] - 1 - height))) for x, y in corners
    ]
    return [(x, y, x + width, y + height) for x, y in moved]


def _shared(one: _Place, other: _Place) -> int:
    """Pixels that two places share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _scaled(face: Face, factor: float) -> _Place:
    left, top, width, height = (round(value * factor) for value in face.box)
    return left, top, left + width, top + height


def _colour(face: Face, abstain_below: float) -> tuple[int, int, int]:
    answer = answer_of(face, abstain_below)
    if answer == UNSURE:
        return _UNSURE_COLOUR
    palette = list(_COLOURS.values())
    return _COLOURS.get(answer) or palette[_PLACES.get(answer, face.labels.index(answer)) % len(palette)]
