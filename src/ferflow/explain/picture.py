"""The picture of an explanation: each face beside its heatmap, and the answer below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.explain.heatmap import Faces, Heat, overlay
from ferflow.labels import EMOTIONS

SHOWN_EMOTIONS = 3
# Side of a picture in pixels: six times the face that the network sees.
_SIDE = 288
_LINE, _LETTERS, _PAPER, _INK = 22, 0.45, 255, 40
_LEAST_LETTERS = 0.3


def in_words(answer: NDArray[Any], *, number: int = SHOWN_EMOTIONS) -> str:
    """The most probable emotions with their probabilities.

    Args:
        answer: (7,) float64: probabilities.
        number: How many are named.
    """
    order = np.argsort(-answer, kind="stable")[:number]
    return ", ".join(f"{EMOTIONS[index]} {answer[index]:.1%}" for index in order)


def draw(
    faces: Sequence[Faces], heat: Heat, answers: NDArray[Any], *, notes: Sequence[str]
) -> NDArray[np.uint8]:
    """A row a face: bare, with its heatmap, the answer below; notes at the end.

    Args:
        faces: (48, 48) uint8 each, grey.
        heat: (N, H, W) float: the evidence.
        answers: (N, 7) float64: probabilities.
        notes: Lines below all, such as the network's name.

    Returns:
        (H, 576, 3) uint8, blue first.
    """
    rows = []
    for face, evidence, answer in zip(faces, heat, answers, strict=True):
        bare = overlay(face, np.zeros_like(evidence), side=_SIDE)
        rows.append(np.concatenate([bare, overlay(face, evidence, side=_SIDE)], axis=1))
        rows.append(_line(in_words(answer)))
    return np.concatenate([*rows, *(_line(text) for text in notes)])


def _line(text: str) -> NDArray[Any]:
    """A strip with a line of text; one that is too long is made smaller, then cut at its start."""
    width, font = 2 * _SIDE, cv2.FONT_HERSHEY_SIMPLEX
    strip = np.full((_LINE, width, 3), _PAPER, np.uint8)
    # OpenCV's letters are ASCII.
    plain = text.encode("ascii", "replace").decode("ascii")
    room = width - 12
    scale = max(
        _LEAST_LETTERS, min(_LETTERS, _LETTERS * room / cv2.getTextSize(plain, font, _LETTERS, 1)[0][0])
    )
    while cv2.getTextSize(plain, font, scale, 1)[0][0] > room:
        plain = "..." + plain[4:]
    cv2.putText(strip, plain, (6, _LINE - 7), font, scale, (_INK,) * 3, 1, cv2.LINE_AA)
    return strip
