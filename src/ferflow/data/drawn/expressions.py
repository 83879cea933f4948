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
_SHOWN: dict[str, tuple[Expression, ...]] = {
    "angry": (
        Expression(
            brow_inner=-9,
            brow_outer=4,
            brow_squeeze=6,
            eye_open=-0.12,
            squint=0.4,
            corner_up=-4,
            corner_out=-4,
            press=0.9,
            nose_wrinkle=0.1,
            folds=0.3,
            frown=1,
        ),
        Expression(
            brow_inner=-10,
            brow_outer=5,
            brow_squeeze=6,
            squint=0.3,
            corner_up=-3,
            mouth_open=17,
            boxy=0.9,
            teeth=0.9,
            press=0.2,
            upper_lip=3,
            nose_wrinkle=0.3,
            folds=0.7,
            frown=1,
        ),
    ),
    "disgust": (
        Expression(
            brow_inner=-6,
            brow_outer=-1,
            brow_squeeze=3,
            eye_open=-0.35,
            squint=0.8,
            corner_up=-5,
            press=0.1,
            upper_lip=6,
            nose_wrinkle=1,
            folds=1,
            frown=0.4,
        ),
        Expression(
            brow_inner=-5,
            brow_outer=-1,
            brow_squeeze=3,
            eye_open=-0.4,
            squint=0.9,
            corner_up=-6,
            corner_out=1,
            mouth_open=9,
            boxy=0.6,
            teeth=0.6,
            upper_lip=7,
            nose_wrinkle=1,
            folds=1,
            frown=0.3,
        ),
    ),
    "fear": (
        Expression(
            brow_inner=12,
            brow_outer=2,
            brow_squeeze=4,
            eye_open=0.5,
            corner_up=-4,
            corner_out=5,
            mouth_open=10,
            boxy=0.9,
            teeth=0.5,
            press=0.2,
            folds=0.2,
            frown=0.3,
        ),
        Expression(
            brow_inner=12,
            brow_outer=4,
            brow_squeeze=3,
            eye_open=0.45,
            corner_up=-3,
            corner_out=1,
            mouth_open=18,
            boxy=0.6,
            teeth=0.3,
            press=0.1,
            folds=0.1,
            frown=0.2,
        ),
    ),
    "happy": (
        Expression(
            brow_inner=1,
            brow_outer=2,
            eye_open=-0.15,
            squint=0.5,
            corner_up=11,
            corner_out=8,
            press=0.3,
            folds=0.45,
        ),
        Expression(
            brow_inner=2,
            brow_outer=3,
            eye_open=-0.22,
            squint=0.7,
            corner_up=12,
            corner_out=11,
            mouth_open=15,
            boxy=0.1,
            teeth=0.9,
            press=0.1,
            folds=0.55,
        ),
    ),
    "neutral": (Expression(),),
    "sad": (
        Expression(
            brow_inner=9,
            brow_outer=-5,
            brow_squeeze=3,
            eye_open=-0.3,
            squint=0.1,
            gaze_down=2,
            corner_up=-8,
            corner_out=-2,
            press=0.1,
            folds=0.3,
            frown=0.3,
        ),
        Expression(
            brow_inner=8,
            brow_outer=-6,
            brow_squeeze=3,
            eye_open=-0.45,
            squint=0.2,
            gaze_down=3,
            corner_up=-9,
            corner_out=1,
            mouth_open=4,
            boxy=0.3,
            folds=0.5,
            frown=0.3,
        ),
    ),
    "surprise": (
        Expression(brow_inner=12, brow_outer=11, eye_open=0.5, corner_up=-1, corner_out=-9, mouth_open=26),
        Expression(brow_inner=11, brow_outer=12, eye_open=0.4, corner_out=-6, mouth_open=15, teeth=0.2),
    ),
}

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
# Standard deviation of what each face does beside its emotion.
_RESTLESSNESS = np.array(
    Expression(
        brow_inner=1.3,
        brow_outer=1.3,
        brow_squeeze=0.7,
        eye_open=0.07,
        squint=0.05,
        gaze_down=0.6,
        corner_up=1.3,
        corner_out=1.3,
        boxy=0.05,
        teeth=0.05,
        press=0.08,
        upper_lip=0.5,
        nose_wrinkle=0.04,
        folds=0.08,
        frown=0.05,
    )
)
_HIGHEST = np.array(
    Expression(
        brow_inner=15,
        brow_outer=15,
        brow_squeeze=8,
        eye_open=0.7,
        squint=1,
        gaze_down=4,
        corner_up=15,
        corner_out=13,
        mouth_open=30,
        boxy=1,
        teeth=1,
        press=1,
        upper_lip=9,
        nose_wrinkle=1,
        folds=1,
        frown=1,
    )
)
_LOWEST = -np.array(
    Expression(brow_inner=15, brow_outer=15, eye_open=0.7, gaze_down=4, corner_up=15, corner_out=13)
)


def random_expression(generator: Generator, emotion: str) -> Expression:
    """Draw how an emotion shows: its strength, its kind, and what of another is mixed in."""
    shown = _pick(generator, emotion)
    mixed_in = _pick(generator, _CONFUSED_WITH[emotion])
    share = generator.uniform(0, _MAX_CONFUSION)
    moves = generator.triangular(*_INTENSITY) * ((1 - share) * shown + share * mixed_in)
    moves += generator.normal(size=moves.size) * _RESTLESSNESS
    return Expression(*np.clip(moves, _LOWEST, _HIGHEST).tolist())


def _pick(generator: Generator, emotion: str) -> NDArray[np.float64]:
    ways = _SHOWN[emotion]
    return np.array(ways[generator.integers(len(ways))], np.float64)
