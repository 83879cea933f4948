"""Right and wrong answers of each class with the place of the evidence in the face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ferflow.explain.heatmap import Faces, Heat, Run, heatmaps, overlay
from ferflow.labels import EMOTIONS
from ferflow.reporting.figure import GREY, INK, ORANGE, save_figure

_PER_CLASS = 3
# Side to which pictures are reduced before they are compared, and the correlation from which they count
# as copies: a copy that was cut out anew is found, and a lookalike that is passed over does no harm.
_COMPARED_SIDE, _COPY = 12, 0.85
# In units of a face's side: from face to overlay, from pair to pair, from row to row, between the halves.
_TO_OVERLAY, _PITCH, _ROW, _GAP = 1.03, 2.2, 1.42, 0.5
_OVERLAY_PIXELS = 144


def write_gallery(
    path: Path,
    run: Run,
    *,
    images: Faces,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    note: str | None = None,
) -> None:
    """Draw the surest right and the surest wrong answers of each class, each with its heatmap.

    Args:
        path: The PNG that is written.
        run: The network that heatmaps are made with; see `ferflow.explain.heatmap`.
        images: (N, 48, 48) uint8, 0-255, grey.
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1: the answers.
        note: The text below, such as the name of the network.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = surest_answers(images, labels, probabilities)
    chosen = probabilities[rows]
    heat = heatmaps(run, images[rows], chosen.argmax(axis=1))
    plot_gallery(path, images[rows], labels[rows], chosen, heat, note=note)


def surest_answers(
    images: Faces,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    *,
    per_class: int = _PER_CLASS,
) -> NDArray[np.intp]:
    """Row numbers of the surest right and the surest wrong answers of each true class.

    Class by class, right ones first, the surest first; the first of equals. Copies of a picture are shown
    once. A class may have fewer.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    chosen: list[np.intp] = []
    for emotion in range(len(EMOTIONS)):
        for is_right in (True, False):
            candidates = order[(labels[order] == emotion) & ((predicted[order] == emotion) == is_right)]
            chosen += _different(images, candidates, number=per_class)
    return np.array(chosen, np.intp)


def _different(images: Faces, candidates: NDArray[np.intp], *, number: int) -> list[np.intp]:
    """The first candidates that are no copies of one another."""
    taken: list[np.intp] = []
    for row in candidates:
        if len(taken) == number:
            break
        if all(_likeness(images[row], images[other]) < _COPY for other in taken):
            taken.append(row)
    return taken


def _likeness(one: Faces, other: Faces) -> float:
    """Correlation of two pictures made small; of one without contrast, whether they are equal."""
    size = (_COMPARED_SIDE, _COMPARED_SIDE)
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float64) for each in (one, other)]
    first, second = ((each - each.mean()).ravel() for each in small)
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / scale if scale > 0 else float(np.array_equal(one, other))


def plot_gallery(
    path: Path,
    images: Faces,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    heat: Heat,
    *,
    note: str | None = None,
) -> None:
    """Draw faces with their heatmaps: a row a true class, right answers left and wrong ones right.

    Args:
        path: The PNG that is written.
        images: (N, 48, 48) uint8, 0-255, grey.
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64.
        heat: (N, 48, 48) float32, 0-1, of the most probable class.
        note: The text below.

    Raises:
        OutputError: The file cannot be written.
    """
    predicted = probabilities.argmax(axis=1)
    is_right = predicted == labels
    counts = [np.bincount(labels[rows], minlength=1).max(initial=1) for rows in (is_right, ~is_right)]
    wrong_left = counts[0] * _PITCH + _GAP
    width = wrong_left + counts[1] * _PITCH

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        for left, text in ((0.0, "right"), (wrong_left, "wrong")):
            axes.text(left, -0.2, text, va="bottom", weight="bold")
        for emotion, name in enumerate(EMOTIONS):
            top = emotion * _ROW
            axes.text(-0.2, top + 0.5, name, ha="right", va="center", weight="bold")
            for half, left in ((is_right, 0.0), (~is_right, wrong_left)):
                rows = np.flatnonzero((labels == emotion) & half)
                if len(rows) == 0:
                    axes.text(left, top + 0.5, "none", va="center", color=GREY)
                for number, row in enumerate(rows):
                    _draw_pair(axes, images[row], heat[row], left=left + number * _PITCH, top=top)
                    _write_answer(axes, labels[row], probabilities[row], left + number * _PITCH, top)
        axes.set(xlim=(-1.5, width), aspect="equal")
        axes.set_ylim(len(EMOTIONS) * _ROW - 0.05, -0.55)
        bar = figure.colorbar(ScalarMappable(cmap="inferno"), ax=axes, shrink=0.3, pad=0.01, aspect=14)
        bar.set_ticks([0, 1], labels=["nothing", "most"])
        bar.set_label("speaks for the answer", labelpad=-20)
        if note is not None:
            figure.text(0.01, 0.005, note, size=7, color=GREY)

    save_figure(draw, path, size=(0.78 * width + 2.2, 8.2), is_dark_too=True)


def _draw_pair(axes: Any, face: Faces, heat: Heat, *, left: float, top: float) -> None:
    coloured = overlay(face, heat, side=_OVERLAY_PIXELS)[..., ::-1]
    for picture, shift in ((face, 0.0), (coloured, _TO_OVERLAY)):
        extent = (left + shift, left + shift + 1, top + 1, top)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)


def _write_answer(
    axes: Any, label: np.integer[Any], probabilities: NDArray[np.float64], left: float, top: float
) -> None:
    predicted = probabilities.argmax()
    text = f"{EMOTIONS[predicted]} {probabilities[predicted]:.0%}"
    if predicted != label:
        text += f", {EMOTIONS[label]} {probabilities[label]:.0%}"
    colour = INK if predicted == label else ORANGE
    axes.text(left + 1, top + 1.04, text, ha="center", va="top", size=7.5, color=colour)
