"""Who a drawn face is and how it is seen.

Lengths are in units of the drawing: a face is about 125 wide and 180 high, its middle is (0, 0),
x grows to the right and y downwards.
"""

from __future__ import annotations

from typing import NamedTuple

from numpy.random import Generator


class Identity(NamedTuple):
    """What stays the same while the expression changes. Tones are grey levels, 0-255."""

    half_width: float
    chin: float
    squareness: float
    taper: float
    skin: float
    hair: float
    hair_style: str
    hairline: float
    parting: float
    brow_thickness: float
    brow_height: float
    eye_size: float
    eye_distance: float
    iris: float
    nose_length: float
    nose_width: float
    lip_thickness: float
    mouth_width: float
    ear_size: float
    beard: float
    moustache: float
    glasses: float
    wrinkles: float


class View(NamedTuple):
    """How the face is seen and lit.

    Attributes:
        roll: Turn in the picture plane, radians.
        yaw: Turn to the side, radians.
        pitch: Nod, radians; positive looks down.
        scale: Size factor.
        shift_x: Move to the right, in pixels of the drawing.
        shift_y: Move down, in pixels of the drawing.
        light_x: How much brighter the right edge is than the middle, as a share.
        light_y: How much brighter the lower edge is than the middle, as a share.
        contrast: Factor on the distance from mid grey.
        brightness: Grey levels added.
        blur: Standard deviation in pixels of the finished 48 px image.
        noise: Standard deviation in grey levels.
    """

    roll: float
    yaw: float
    pitch: float
    scale: float
    shift_x: float
    shift_y: float
    light_x: float
    light_y: float
    contrast: float
    brightness: float
    blur: float
    noise: float


# A style that is listed more often is as much more common.
_HAIR_STYLES = ("bald", *["short"] * 4, *["side"] * 4, *["fringe"] * 2, *["curly"] * 2, *["long"] * 5)


def random_identity(generator: Generator) -> Identity:
    """Draw a person at random."""
    uniform = generator.uniform
    skin = uniform(118, 212)
    style = _HAIR_STYLES[generator.integers(len(_HAIR_STYLES))]
    bearded = style != "long" and generator.random() < 0.2
    return Identity(
        half_width=uniform(56, 67),
        chin=uniform(80, 92),
        squareness=uniform(2.0, 2.7),
        taper=uniform(0.08, 0.24),
        skin=skin,
        hair=min(uniform(18, 150), skin - 35),
        hair_style=style,
        hairline=uniform(-76, -62),
        parting=uniform(-0.35, 0.35),
        brow_thickness=uniform(3.0, 7.5),
        brow_height=uniform(15.5, 19.5),
        eye_size=uniform(0.95, 1.22),
        eye_distance=uniform(27, 32),
        iris=uniform(25, 85),
        nose_length=uniform(34, 42),
        nose_width=uniform(10.5, 16),
        lip_thickness=uniform(4.0, 8.5),
        mouth_width=uniform(21, 28),
        ear_size=uniform(0.7, 1.2),
        beard=uniform(0.35, 1.0) if bearded else 0.0,
        moustache=uniform(0.4, 1.0) if bearded and generator.random() < 0.7 else 0.0,
        glasses=uniform(1.2, 3.2) if generator.random() < 0.14 else 0.0,
        wrinkles=uniform(0.0, 1.0) ** 2,
    )


def random_view(generator: Generator) -> View:
    """Draw a pose, the light and the quality of the picture."""
    normal, uniform = generator.normal, generator.uniform
    return View(
        roll=_bounded(normal(0, 0.06), -0.16, 0.16),
        yaw=_bounded(normal(0, 0.10), -0.24, 0.24),
        pitch=_bounded(normal(0, 0.05), -0.12, 0.12),
        scale=uniform(1.0, 1.17),
        shift_x=uniform(-7, 7),
        shift_y=uniform(-5, 5),
        light_x=_bounded(normal(0, 0.14), -0.32, 0.32),
        light_y=_bounded(normal(-0.05, 0.08), -0.25, 0.15),
        contrast=uniform(0.78, 1.15),
        brightness=uniform(-20, 16),
        blur=uniform(0.0, 0.6),
        noise=uniform(1.0, 4.5),
    )


def _bounded(value: float, lowest: float, highest: float) -> float:
    return min(highest, max(lowest, value))
