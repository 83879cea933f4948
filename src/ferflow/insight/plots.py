"""Pictures of label errors and slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ferflow.files import atomic_file
from ferflow.insight.images import HeldOut
from ferflow.insight.label_errors import LabelErrors
from ferflow.insight.slices import Slice, bins_of
from ferflow.insight.traits import Trait
from ferflow.labels import EMOTIONS
from ferflow.reporting.contact_sheet import contact_sheet
from ferflow.reporting.figure import BLUE, GREEN, GREY, INK, ORANGE, save_figure

SHEET_IMAGES = 40
_SHEET_COLUMNS, _SHEET_SCALE = 8, 2
_EXAMPLES = 6


def write_sheet(path: Path, images: HeldOut, errors: LabelErrors) -> None:
    """Write the first likely label errors as a contact sheet.

    Each face is shown over its label and the network's answer, with their probabilities. For a page in dark
    mode there is `<name>-dark.png`, too.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = errors.ranked[:SHEET_IMAGES]
    captions = []
    for rank, row in enumerate(rows, start=1):
        label, suggested, p = images.labels[row], errors.suggested[row], images.probabilities[row]
        captions.append(
            f"{rank}. {EMOTIONS[label]} {_whole_percent(p[label])}\n"
            f"-> {EMOTIONS[suggested]} {_whole_percent(p[suggested])}"
        )
    for target, is_dark in ((path, False), (path.with_stem(f"{path.stem}-dark"), True)):
        sheet = contact_sheet(
            images.images[rows], captions, columns=_SHEET_COLUMNS, scale=_SHEET_SCALE, is_dark=is_dark
        )
        with atomic_file(target) as fresh:
            fresh.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def plot_slices(slices: Sequence[Slice], path: Path, *, accuracy: float) -> None:
    """Draw the accuracy of each slice with its interval.

    Args:
        slices: At least one, those of one trait together.
        path: The PNG that is written.
        accuracy: The accuracy on all images, drawn as a line.

    Raises:
        OutputError: The file cannot be written.
    """
    places = _places(slices)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis="y")
        axes.axvline(accuracy, color=GREY, linestyle="--", linewidth=1.2)
        axes.text(accuracy, -0.95, f"all images {accuracy:.1%}", ha="center", va="bottom", size=9, color=INK)
        for entry, place in zip(slices, places, strict=True):
            colour = ORANGE if entry.is_different else BLUE
            axes.plot([entry.low, entry.high], [place, place], color=colour, linewidth=3, alpha=0.35)
            axes.plot([entry.accuracy], [place], "o", color=colour, markersize=6)
        names = [f"{entry.name}  ({len(entry.rows):,})" for entry in slices]
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
        for trait in dict.fromkeys(entry.trait for entry in slices):
            first = next(place for entry, place in zip(slices, places, strict=True) if entry.trait == trait)
            axes.text(
                -0.01,
                first - 0.85,
                trait,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
                color=INK,
            )
        axes.set_ylim(places[-1] + 0.8, -0.9)
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("accuracy with interval; orange: other than the rest by more than chance")

    save_figure(draw, path, size=(9.6, 0.27 * (places[-1] + 3) + 0.6))


def plot_examples(test: HeldOut, traits: Sequence[Trait], path: Path) -> None:
    """Draw faces of the first and the last measured bin of each trait, spread evenly over the bin.

    Args:
        test: The N images.
        traits: The traits to draw; those with one bin only, or with fixed edges, are left out.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    strips = [
        (trait.name, *_extremes(trait)) for trait in traits if trait.edges is None and len(bins_of(trait)) > 1
    ]
    right_offset = _EXAMPLES * 1.1 + 0.6

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        for number, (name, lowest, highest) in enumerate(strips):
            top = number * 1.72
            axes.text(-0.15, top + 0.5, name.replace(" of", "\nof"), ha="right", va="center", weight="bold")
            for left, (title, rows) in ((0.0, lowest), (right_offset, highest)):
                axes.text(left, top - 0.06, title, va="bottom", size=8, color=INK)
                for place, row in enumerate(rows):
                    _draw_face(axes, test, row, left + place * 1.1, top)
        axes.set(xlim=(-2.2, right_offset + _EXAMPLES * 1.1), aspect="equal")
        axes.set_ylim(len(strips) * 1.72 - 0.3, -0.4)

    save_figure(draw, path, size=(10.4, 1.12 * len(strips) + 0.3), is_dark_too=True)


def _places(slices: Sequence[Slice]) -> list[float]:
    """Heights of the rows: a gap, for the trait's name, before each trait."""
    places: list[float] = []
    height = -1.0
    for before, entry in zip([None, *slices], slices, strict=False):
        height += 1.0 if before is not None and before.trait == entry.trait else 2.0
        places.append(height)
    return places


def _extremes(trait: Trait) -> tuple[tuple[str, NDArray[np.int64]], tuple[str, NDArray[np.int64]]]:
    """Name and some rows of the first and of the last bin of measured values."""
    bins = [(name, rows) for name, rows in bins_of(trait) if not np.isnan(trait.values[rows[0]])]
    picked = []
    for name, rows in (bins[0], bins[-1]):
        ordered = rows[np.argsort(trait.values[rows], kind="stable")]
        places = np.unique(np.linspace(0, len(ordered) - 1, _EXAMPLES + 2).round().astype(np.int64))
        picked.append((name, ordered[places[1:-1] if len(places) == _EXAMPLES + 2 else places][:_EXAMPLES]))
    return picked[0], picked[1]


def _draw_face(axes: Any, test: HeldOut, row: np.int64, left: float, top: float) -> None:
    label, predicted = test.labels[row], test.probabilities[row].argmax()
    axes.imshow(test.images[row], cmap="gray", vmin=0, vmax=255, extent=(left, left + 1, top + 1, top))
    is_right = label == predicted
    caption = (
        EMOTIONS[label] if is_right else f"{EMOTIONS[label]}\n\N{RIGHTWARDS ARROW} {EMOTIONS[predicted]}"
    )
    colour = GREEN if is_right else ORANGE
    axes.text(left + 0.5, top + 1.03, caption, ha="center", va="top", size=6.5, color=colour)


def _whole_percent(share: float) -> str:
    return f"{100 * share:.0f}%"
