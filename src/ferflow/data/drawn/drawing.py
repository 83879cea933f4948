"""Drawing of one grey face from its traits, shaded softly enough for detectors of real faces.

A face is drawn four times as large as it is needed and reduced by area. Soft shading (sockets,
nose, cheeks, beard) is a second, coarse layer that is blurred and multiplied with the skin.
Coordinates are placed to a sixteenth of a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from ferflow.data.drawn.canvas import (
    ALONG,
    CIRCLE,
    Canvas,
    Picture,
    Points,
    band,
    blank,
    box,
    crescent,
    curve,
    ellipse,
    mirrored,
)
from ferflow.data.drawn.expressions import Expression
from ferflow.data.drawn.face_traits import Identity, View
from ferflow.data.drawn.hair import draw_behind_body, draw_crown, draw_front
from ferflow.data.drawn.photograph import DRAWN_SIZE, PLAIN, background, photograph

_EYE_Y = -17.0
_MOUTH_Y = 48.0
_FOLD = np.array([[13, 24], [24, 35], [29, 47], [26, 51], [19, 37]])
_BROW_ALONG = np.linspace(0, 1, 12)[:, None]


def draw_face(generator: Generator, identity: Identity, expression: Expression, view: View) -> Picture:
    """Draw one face.

    Args:
        generator: Source of what varies without a name: background, clothes, grain.
        identity: Who it is.
        expression: What the face does.
        view: Pose, light and quality.

    Returns:
        (48, 48) uint8, 0-255.
    """
    return _Face(generator, identity, expression, view).draw()


class _Face:
    """One face in the making: its traits and the canvas that its parts are drawn on."""

    def __init__(self, generator: Generator, identity: Identity, expression: Expression, view: View) -> None:
        self.generator = generator
        self.who = identity
        self.does = expression
        self.view = view
        self.canvas = Canvas(view, background(generator))
        self.coarse = Canvas(view, blank(PLAIN))
        self.skin = identity.skin
        self.jaw = identity.chin + 0.35 * expression.mouth_open
        self.mouth_y = _MOUTH_Y + 0.10 * expression.mouth_open

    def draw(self) -> Picture:
        self._body_and_back_hair()
        self._head()
        for side in (-1, 1):
            self._eye(side)
            self._brow(side)
        self._nose()
        self._mouth()
        self._folds_and_moustache()
        draw_front(self.canvas, self.who, self.generator)
        if self.who.glasses:
            self._glasses()
        return photograph(self.canvas.picture, self.view, self.generator)

    def _body_and_back_hair(self) -> None:
        who, canvas = self.who, self.canvas
        draw_behind_body(canvas, who)
        clothes = self.generator.uniform(20, 200)
        canvas.fill(ellipse(0, 165, 120, 65), clothes, depth=-10)
        canvas.fill(box(-32, 50, 32, 115), self.skin * 0.66, depth=-5)
        draw_crown(canvas, who)
        for side in (-1, 1):
            ear = ellipse(side * (who.half_width + 1), -2, 9 * who.ear_size, 18 * who.ear_size)
            canvas.fill(ear, self.skin * 0.82, depth=-5)

    def _outline(self) -> Points:
        who = self.who
        power = 2 / np.where(CIRCLE[:, 1] > 0, who.squareness, 2.3)
        x = who.half_width * np.sign(CIRCLE[:, 0]) * np.abs(CIRCLE[:, 0]) ** power
        y = np.sign(CIRCLE[:, 1]) * np.abs(CIRCLE[:, 1]) ** power
        x *= 1 - who.taper * np.clip(y, 0, 1) ** 1.5
        return curve(x, y * np.where(y > 0, self.jaw, 92.0))

    def _head(self) -> None:
        outline = self._outline()
        shade = cv2.GaussianBlur(self._shading(outline), (0, 0), 1.7)
        fine = cv2.GaussianBlur(self._fine_shading(), (0, 0), 1.0)
        shade = cv2.multiply(shade, fine, scale=1 / PLAIN)
        shade = cv2.resize(shade, (DRAWN_SIZE, DRAWN_SIZE), interpolation=cv2.INTER_LINEAR_EXACT)
        skin = np.full_like(shade, round(self.skin))
        face = cv2.multiply(skin, shade, scale=1 / PLAIN)
        cv2.copyTo(face, self.canvas.mask(outline, depth=0.0), self.canvas.picture)

    def _shading(self, outline: Points) -> Picture:
        """(48, 48) broad light and shade around 128, before it is blurred."""
        who, does = self.who, self.does
        layer = self.coarse
        layer.picture = blank(88)
        layer.fill(outline * 0.90, PLAIN - 12, depth=6.0)
        layer.fill(outline * 0.78, PLAIN, depth=12.0)
        layer.soften(ellipse(0, -52, 40, 20), 16)
        for side in (-1, 1):
            layer.soften(ellipse(side * who.eye_distance, _EYE_Y - 3, 20, 13), -34)
            layer.soften(ellipse(side * who.eye_distance, _EYE_Y, 15, 8), -16)
            layer.soften(ellipse(side * 34, 16 - 4 * does.squint, 17, 13), 15 + 8 * does.folds)
            layer.soften(ellipse(side * 11, 4, 5, 22), -12)
        layer.soften(box(-6, -44, 6, who.nose_length - 17), 20, depth=85.0)
        layer.soften(ellipse(0, self.mouth_y + 17 + 0.7 * does.mouth_open, 17, 6), -16)
        layer.soften(ellipse(0, self.jaw - 12, 17, 9), 10)
        if who.beard:
            layer.soften(self._beard(), -58 * who.beard, depth=25.0)
        return layer.picture

    def _fine_shading(self) -> Picture:
        """(48, 48) folds, wrinkles, nose and moustache around 128, before it is blurred."""
        who, does = self.who, self.does
        layer = self.coarse
        layer.picture = blank(PLAIN)
        tip = _EYE_Y + who.nose_length
        layer.soften(ellipse(0, tip - 3, 8, 7), 16, depth=92.0)
        layer.soften(ellipse(0, tip + 6, who.nose_width + 2, 4.5), -34, depth=82.0)
        for side in (-1, 1):
            layer.soften(ellipse(side * (who.nose_width + 1), tip + 1, 4, 6), -16, depth=78.0)
            fold = _FOLD * [side, 1] - np.array([0, 0.5 * does.upper_lip])
            layer.soften(fold, -10 - 42 * does.folds - 14 * who.wrinkles)
            bag = crescent(side * who.eye_distance, _EYE_Y + 12, 15, 4)
            layer.soften(bag, -12 - 22 * who.wrinkles - 10 * does.squint)
        return layer.picture

    def _beard(self) -> Points:
        half, mouth = self.who.half_width, self.mouth_y
        top, low = mouth - 17, self.jaw
        x = np.array([half, half - 8, 33, 0, 0, half - 20])
        return mirrored(curve(x, np.array([4, 26, top + 5, top, low + 4, low])))

    def _eye(self, side: int) -> None:
        who, does, canvas = self.who, self.does, self.canvas
        half = 14.5 * who.eye_size
        opening = 7.2 * who.eye_size * max(0.12, 1 + does.eye_open)
        upper = -opening * (1 - np.abs(ALONG) ** 2.2)
        lower = opening * (0.72 - 0.75 * does.squint) * (1 - ALONG**2)
        tilt = -1.5 * side * ALONG
        middle = np.array([side * who.eye_distance, _EYE_Y])
        lid = curve(half * ALONG, upper + tilt) + middle
        under = curve(half * ALONG, np.maximum(lower, upper + 1.0) + tilt) + middle
        almond = np.concatenate([lid, under[::-1]])

        opened = canvas.mask(almond)
        canvas.fill(almond, min(238, 0.55 * self.skin + 92))
        iris = middle + np.array([0, does.gaze_down - 0.12 * opening])
        radius = 6.9 * who.eye_size
        for size, tone in ((1.0, who.iris), (0.5, 8)):
            ball = canvas.mask(CIRCLE * radius * size + iris)
            canvas.picture[cv2.bitwise_and(ball, opened) > 0] = round(tone)
        canvas.fill(CIRCLE * 1.6 + iris + [-2.2, -2.4], 235)
        canvas.line(lid, self.skin * 0.20, 3.4)
        canvas.line(under, self.skin * 0.55, 1.6)
        crease = lid * [1, 1] - [0, 4.5 + 1.5 * max(0.0, -does.eye_open)]
        canvas.line(crease[2:-2], self.skin * 0.52, 1.6)

    def _brow(self, side: int) -> None:
        who, does = self.who, self.does
        base = _EYE_Y - who.brow_height + 1.5
        start = np.array([9.5 - does.brow_squeeze * 0.6, base + 1 - does.brow_inner])
        end = np.array([who.eye_distance + 19, base + 4 - does.brow_outer])
        along = _BROW_ALONG
        spine = start + along * (end - start)
        spine[:, 1] -= 5.0 * np.sin(np.pi * along[:, 0] ** 1.2)
        thickness = who.brow_thickness * (0.75 + 0.5 * along - 1.05 * along**2)
        brow = np.concatenate([spine - thickness * [0, 0.6], (spine + thickness * [0, 0.6])[::-1]])
        tone = min(0.5 * self.skin, 0.75 * who.hair + 8)
        self.canvas.fill(brow * [side, 1], tone)
        if does.frown > 0.2:
            line = np.array([[5.5, -14], [4.5, -5], [6, 1]]) + np.array(
                [0, base + 14 - 0.5 * does.brow_inner]
            )
            self.canvas.line(line * [side, 1], self.skin * (1 - 0.45 * does.frown), 2.2)

    def _nose(self) -> None:
        who, canvas = self.who, self.canvas
        tip = _EYE_Y + who.nose_length - 2.0 * self.does.nose_wrinkle
        for side in (-1, 1):
            nostril = ellipse(side * who.nose_width * 0.52, tip + 3.5, who.nose_width * 0.26, 2.4)
            canvas.fill(nostril, self.skin * 0.25, depth=86.0)
            wing = np.array([[0, -9], [3.2, -3], [2.4, 3], [-2, 5]]) + np.array([who.nose_width, tip])
            canvas.line(wing * [side, 1], self.skin * 0.60, 2.0, depth=80.0)

    def _mouth(self) -> None:
        who, does, canvas = self.who, self.does, self.canvas
        half = who.mouth_width + does.corner_out
        round_off = 1 - ALONG**2
        middle = self.mouth_y - does.corner_up * (ALONG**2 - 0.45)
        gap = does.mouth_open * (1 - np.abs(ALONG) ** (2 + 3 * does.boxy)) ** (0.6 - 0.2 * does.boxy)
        lips = who.lip_thickness * (1 - 0.72 * does.press)
        x = half * ALONG
        raised = does.upper_lip * np.exp(-((np.abs(ALONG) - 0.35) ** 2) / 0.1)
        inner_top = middle - 0.42 * gap - 0.75 * raised
        inner_bottom = np.maximum(middle + 0.58 * gap - 0.2 * raised, inner_top)
        bow = 1 - 0.22 * np.exp(-((ALONG / 0.12) ** 2))
        outer_top = inner_top - 0.85 * lips * round_off**0.8 * bow
        outer_bottom = inner_bottom + 1.05 * lips * round_off**0.7

        canvas.fill(band(x, outer_top, inner_top + 0.8), self.skin * 0.56)
        canvas.fill(band(x, inner_bottom - 0.8, outer_bottom), self.skin * 0.68)
        opening = band(x, inner_top, inner_bottom)
        if does.mouth_open > 2:
            canvas.fill(opening, 22)
            if does.teeth > 0.12:
                bite = np.minimum(inner_bottom, inner_top + (0.2 + 0.7 * does.teeth) * gap)
                canvas.fill(band(x * 0.93, inner_top, bite), min(235, 60 + 0.85 * self.skin))
        canvas.line(curve(x, inner_top), self.skin * 0.24, 2.4)
        corners = curve(x, middle)
        for end, outside in ((corners[0], -3), (corners[-1], 3)):
            canvas.line(
                np.stack([end, end + np.array([outside, -0.25 * does.corner_up])]), self.skin * 0.4, 2.4
            )

    def _folds_and_moustache(self) -> None:
        who, does, canvas = self.who, self.does, self.canvas
        tip = _EYE_Y + who.nose_length
        for side in (-1, 1):
            if does.folds > 0.3:
                end = [who.mouth_width + does.corner_out + 5, self.mouth_y - 0.7 * does.corner_up - 8]
                fold = np.array([[who.nose_width + 4, tip - 2], [who.nose_width + 9, tip + 5], end])
                canvas.line(fold * [side, 1], self.skin * (0.95 - 0.28 * does.folds), 2.2)
            if does.nose_wrinkle > 0.3:
                for y in (-13, -4):
                    wrinkle = np.array([[1.5, y - 2], [9, y + 1], [13, y - 3]])
                    canvas.line(wrinkle * [side, 1], self.skin * (1 - 0.4 * does.nose_wrinkle), 2, depth=80)
        if who.moustache:
            lip = self.mouth_y - 6 - does.upper_lip - 0.42 * does.mouth_open + 0.2 * does.corner_up
            right = np.array([[0, -5], [12, -5], [24, 2], [26, 7 - 0.4 * does.corner_up], [12, 2], [0, 1]])
            right *= who.mouth_width / 24
            right += [0, lip]
            canvas.fill(mirrored(right), min(0.6 * self.skin, who.hair) * (1.3 - 0.4 * who.moustache))

    def _glasses(self) -> None:
        who, canvas = self.who, self.canvas
        tone = self.skin * 0.28
        for side in (-1, 1):
            rim = ellipse(side * (who.eye_distance + 1), _EYE_Y + 1.5, 21.5, 16)
            canvas.line(np.concatenate([rim, rim[:1]]), tone, who.glasses)
            temple = np.array([[who.eye_distance + 22, _EYE_Y - 2], [who.half_width, _EYE_Y - 5]])
            canvas.line(temple * [side, 1], tone, who.glasses)
        bridge = np.array(
            [[-who.eye_distance + 20, _EYE_Y], [0, _EYE_Y - 3], [who.eye_distance - 20, _EYE_Y]]
        )
        canvas.line(bridge, tone, who.glasses, depth=80.0)
