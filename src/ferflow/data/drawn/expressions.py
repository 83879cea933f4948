"""What a drawn face does: how each emotion moves brows, eyes, nose and mouth.

Lengths are in units of the drawing, in which a face is about 180 high.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


class Expression(NamedTuple):
    """How far each part of the face has moved from rest; all zeros is a face at rest.

    Attributes:
        brow_inner: Rise of the inner ends of the brows.
        brow_outer: Rise of the outer ends of the brows.
        brow_squeeze: Move of the inner ends towards the middle.
        eye_open: Change of the eyes' opening, as a share of it.
        squint: Rise of the lower lids, 0-1.
        gaze_down: Fall of the pupils.
        corner_up: Rise of the corners of the mouth.
        corner_out: Move of the corners outwards.
        mouth_open: Height of the opening.
        boxy: How square the opening is, 0 round to 1 square.
        teeth: Share of the opening that shows teeth, 0-1.
        press: How thin the lips are pressed, 0-1.
        upper_lip: Rise of the upper lip.
        nose_wrinkle: Wrinkles across the nose, 0-1.
        folds: Folds from the nose to the corners of the mouth, 0-1.
        frown: Upright lines between the brows, 0-1.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    brow_squeeze: float = 0.0
    eye_open: float = 0.0
    squint: float = 0.0
    gaze_down: float = 0.0
    corner_up: float = 0.0
    corner_out: float = 0.0
    mouth_open: float = 0.0
    boxy: float = 0.0
    teeth: float = 0.0
    press: float = 0.0
    upper_lip: float = 0.0
    nose_wrinkle: float = 0.0
    folds: float = 0.0
    frown: float = 0.0


# The ways in which each emotion shows; one is picked for each face.
_SHOWN = """
             angry angry disgust disgust  fear  fear happy happy neutral   sad   sad surprise surprise
brow_inner      -9   -10      -6      -5    12    12     1     2       0     9     8       12       11
brow_outer       4     5      -1      -1     2     4     2     3       0    -5    -6       11       12
brow_squeeze     6     6       3       3     4     3     0     0       0     3     3        0        0
eye_open     -0.12     0   -0.35    -0.4   0.5  0.45 -0.15 -0.22       0  -0.3 -0.45      0.5      0.4
squint         0.4   0.3     0.8     0.9     0     0   0.5   0.7       0   0.1   0.2        0        0
gaze_down        0     0       0       0     0     0     0     0       0     2     3        0        0
corner_up       -4    -3      -5      -6    -4    -3    11    12       0    -8    -9       -1        0
corner_out      -4     0       0       1     5     1     8    11       0    -2     1       -9       -6
mouth_open       0    17       0       9    10    18     0    15       0     0     4       26       15
boxy             0   0.9       0     0.6   0.9   0.6     0   0.1       0     0   0.3        0        0
teeth            0   0.9       0     0.6   0.5   0.3     0   0.9       0     0     0        0      0.2
press          0.9   0.2     0.1       0   0.2   0.1   0.3   0.1       0   0.1     0        0        0
upper_lip        0     3       6       7     0     0     0     0       0     0     0        0        0
nose_wrinkle   0.1   0.3       1       1     0     0     0     0       0     0     0        0        0
folds          0.3   0.7       1       1   0.2   0.1  0.45  0.55       0   0.3   0.5        0        0
frown            1     1     0.4     0.3   0.3   0.2     0     0       0   0.3   0.3        0        0
"""
# The standard deviation of what each face does beside its emotion; the least and the most that a face does.
_ANY_FACE = """
            spread least  most
brow_inner     1.3   -15    15
brow_outer     1.3   -15    15
brow_squeeze   0.7     0     8
eye_open      0.07  -0.7   0.7
squint        0.05     0     1
gaze_down      0.6    -4     4
corner_up      1.3   -15    15
corner_out     1.3   -13    13
mouth_open       0     0    30
boxy          0.05     0     1
teeth         0.05     0     1
press         0.08     0     1
upper_lip      0.5     0     9
nose_wrinkle  0.04     0     1
folds         0.08     0     1
frown         0.05     0     1
"""

# What people take an emotion for most often; a drawn face holds a share of it.
_CONFUSED_WITH = {
    "angry": "disgust",
    "disgust": "angry",
    "fear": "surprise",
    "happy": "neutral",
    "neutral": "sad",
    "sad": "neutral",
    "surprise": "fear",
}
# Least, likeliest and greatest strength.
_INTENSITY = (0.55, 0.95, 1.20)
_MAX_CONFUSION = 0.35


def _read(table: str) -> dict[str, NDArray[np.float64]]:
    """The columns of a table by their names, each an array of (ways, fields of `Expression`)."""
    names, *rows = (line.split() for line in table.strip().splitlines())
    if tuple(row[0] for row in rows) != Expression._fields:
        raise ValueError("the table's rows are not the fields of an expression")
    values = np.array([row[1:] for row in rows], np.float64).T
    return {name: values[[column == name for column in names]] for name in names}


_MOVES = _read(_SHOWN)
_SPREAD, _LEAST, _MOST = (column[0] for column in _read(_ANY_FACE).values())


def random_expression(generator: Generator, emotion: str) -> Expression:
    """Draw how an emotion shows: its strength, its kind, and what of another is mixed in."""
    shown = _pick(generator, emotion)
    mixed_in = _pick(generator, _CONFUSED_WITH[emotion])
    share = generator.uniform(0, _MAX_CONFUSION)
    moves = generator.triangular(*_INTENSITY) * ((1 - share) * shown + share * mixed_in)
    moves += generator.normal(size=moves.size) * _SPREAD
    return Expression(*np.clip(moves, _LEAST, _MOST).tolist())


def _pick(generator: Generator, emotion: str) -> NDArray[np.float64]:
    ways = _MOVES[emotion]
    return np.asarray(ways[generator.integers(len(ways))])
