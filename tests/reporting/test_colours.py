"""Curves are told apart by people who do not see red and green: by colour, or else by dashes."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ferflow.reporting import figure, plots
from ferflow.tracking.comparison import compare_plots

# Machado, Oliveira and Fernandes 2009, whole deficiency; of linear light.
_SEEN = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "whole sight": np.eye(3).tolist(),
}
# Differences of colours (CIE 1976) from which lines beside each other are told apart.
_APART = 20.0

_EMOTIONS = [(plots._EMOTION_COLOURS[name], plots._EMOTION_DASHES[name]) for name in plots._EMOTION_COLOURS]
_RUNS = [compare_plots.line_style(number) for number in range(10)]
_PLAIN = [(colour, "-") for colour in (figure.BLUE, figure.ORANGE, figure.GREY)]


def _lab(colour: str, eye: str) -> np.ndarray:
    values = np.array(to_rgb(colour))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(_SEEN[eye]) @ linear, 0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(back.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel()


@pytest.mark.parametrize("eye", _SEEN)
@pytest.mark.parametrize("lines", [_EMOTIONS, _RUNS, _PLAIN], ids=["emotions", "runs", "history"])
def test_lines_differ_in_colour_or_in_dashes(lines, eye):
    for (one, dash), (other, other_dash) in combinations(lines, 2):
        distance = float(np.linalg.norm(_lab(one, eye) - _lab(other, eye)))
        assert distance >= _APART or str(dash) != str(other_dash), (one, other, eye, distance)


def test_the_measure_knows_colours_that_look_alike():
    red, green = "#d02020", "#6b7a00"
    assert np.linalg.norm(_lab(red, "whole sight") - _lab(green, "whole sight")) > 60
    assert np.linalg.norm(_lab(red, "deuteranopia") - _lab(green, "deuteranopia")) < _APART
