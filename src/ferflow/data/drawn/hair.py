"""Hair of a drawn face: what lies behind body and head, and what falls over the forehead."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ferflow.data.drawn.canvas import CIRCLE, Canvas, Points, box, curve, ellipse
from ferflow.data.drawn.face_traits import Identity

_ACROSS = np.linspace(-1, 1, 17)


def draw_behind_body(canvas: Canvas, who: Identity) -> None:
    """Draw long hair, which falls behind the shoulders; others have none there."""
    if who.hair_style == "long":
        canvas.fill(ellipse(0, -5, who.half_width + 17, 98), who.hair * 0.8, depth=-20)
        canvas.fill(box(-who.half_width - 15, -5, who.half_width + 15, 130), who.hair * 0.75, depth=-20)


def draw_crown(canvas: Canvas, who: Identity) -> None:
    """Draw the hair on top of the head, which the face is drawn over."""
    if who.hair_style != "bald":
        canvas.fill(_crown(who), who.hair * 0.9, depth=0.0)


def draw_front(canvas: Canvas, who: Identity, generator: Generator) -> None:
    """Draw the hair over the forehead, with strands of lighter and darker tones.

    Args:
        canvas: It has the face already.
        who: Whose hair it is.
        generator: Chooses the strands.
    """
    if who.hair_style == "bald":
        return
    front = curve(_ACROSS * (who.half_width + 3), np.minimum(_hairline(who, _ACROSS), -28))
    area = np.concatenate([front, _crown(who)[::-1]])
    canvas.fill(area, who.hair, depth=6.0)
    if who.hair_style == "long":
        for side in (-1, 1):
            lock = np.array([[0.80, -52], [0.90, -10], [0.92, 30], [0.98, 75], [1.25, 75], [1.2, -40]])
            canvas.fill(lock * [side * who.half_width, 1], who.hair * 0.92, depth=6.0)
    root = np.array([who.parting * who.half_width, -112])
    ends = front[generator.permutation(len(front))]
    roots = root + (ends - root) * [0.55, 0.0]
    strands = list(np.stack([roots, ends + np.array([0, 4])], axis=1))
    for tone, chosen in ((who.hair * 0.84, strands[:6]), (who.hair * 1.10 + 5, strands[6:11])):
        canvas.strands(chosen, tone, within=area, depth=6.0)


def _hairline(who: Identity, across: Points) -> Points:
    """The lower edge of the hair, at -1 (left temple) to 1 (right temple)."""
    if who.hair_style == "fringe":
        fall = 16 + 3 * np.cos(across * 19) + 18 * across**8
    elif who.hair_style == "curly":
        fall = 6 + 4 * np.cos(across * 14) + 34 * across**4
    elif who.hair_style == "short":
        fall = 36 * np.abs(across) ** 3.5
    else:
        fall = (44 if who.hair_style == "long" else 26) * np.abs(across - who.parting) ** 1.4 - 6
    edge: Points = who.hairline + fall
    return edge


def _crown(who: Identity) -> Points:
    """The upper edge of the hair, from left to right."""
    top = np.concatenate([CIRCLE[18:], CIRCLE[:1]])
    if who.hair_style == "curly":
        top = top * 1.1
    return curve(top[:, 0] * (who.half_width + 8), top[:, 1] * 78 - 27)
