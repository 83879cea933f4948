"""Emotions of a video's faces over time, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ferflow.reporting.figure import INK, save_figure
from ferflow.reporting.plots import emotion_colour

Curve = tuple[NDArray[np.float64], NDArray[np.float32]]

# Faces that get a panel: those that are seen most often.
_MOST_PANELS = 8
# A gap in a curve where a face was away for longer than this many usual steps.
_GAP_STEPS = 3.0


def plot_timeline(curves: Mapping[int, Curve], labels: Sequence[str], path: Path) -> None:
    """Draw the probabilities of each face over time, a panel a face.

    Args:
        curves: For each face its times in seconds, (N,), and probabilities, (N, labels).
        labels: What the probabilities are of.
        path: The PNG that is written.

    Raises:
        OutputError: It cannot be written.
    """
    often = sorted(curves, key=lambda track: (-len(curves[track][0]), track))[:_MOST_PANELS]
    shown = sorted(often)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(max(1, len(shown)), sharex=True, squeeze=False)[:, 0]
        if not shown:
            panels[0].set_title("no face in the frames that were looked at")
        for panel, track in zip(panels, shown, strict=False):
            seconds, probabilities = _with_gaps(*curves[track])
            for place, label in enumerate(labels):
                colour = emotion_colour(label) or f"C{place}"
                panel.plot(seconds, probabilities[:, place], color=colour, linewidth=1.6, label=label)
            if len(curves[track][0]) == 1:
                for place, label in enumerate(labels):
                    colour = emotion_colour(label) or f"C{place}"
                    panel.plot(seconds, probabilities[:, place], ".", color=colour)
            panel.set_title(f"face {track}", color=INK)
            panel.set_ylim(0, 1)
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panels[-1].set_xlabel("seconds")
        if shown:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")

    save_figure(draw, path, size=(9.0, 1.2 + 2.0 * max(1, len(shown))))


def _with_gaps(seconds: NDArray[np.float64], values: NDArray[np.float32]) -> Curve:
    """The curve, broken where the face was away."""
    steps = np.diff(seconds)
    if not len(steps):
        return seconds, values
    breaks = np.flatnonzero(steps > _GAP_STEPS * np.median(steps)) + 1
    return np.insert(seconds, breaks, np.nan), np.insert(values, breaks, np.nan, axis=0)
