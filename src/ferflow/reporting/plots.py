"""The pictures of a run: confusion matrix, curves, calibration, classes, history, examples.

Every function draws one PNG, the same bytes for the same input, without matplotlib's global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ferflow.labels import EMOTIONS
from ferflow.reporting.figure import BLUE, GREEN, GREY, INK, ORANGE, save_figure

if TYPE_CHECKING:  # its scikit-learn takes a second to load, and no figure needs it
    from ferflow.model.calibration import CoverageCurve
    from ferflow.model.metrics import CalibrationBins, ClassScores, RocCurve

# Told apart by people who do not see red and green (after Okabe and Ito).
_EMOTION_COLOURS = dict(
    zip(EMOTIONS, ("#d55e00", "#009e73", "#aa4499", "#e69f00", "#7f7f7f", "#0072b2", "#56b4e9"), strict=True)
)

# Of classes that emotions were merged into.
# Beside the colours, for those who do not tell all of these apart.
_EMOTION_DASHES = dict(
    zip(
        EMOTIONS,
        ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (7, 2)), (0, (5, 1, 1, 1)), "-", (0, (3, 1))),
        strict=True,
    )
)
_MERGED_COLOURS = {"positive": _EMOTION_COLOURS["happy"], "negative": _EMOTION_COLOURS["angry"]}

# Answers below which an accuracy is not drawn.
_FEWEST_ANSWERS = 20


def emotion_colour(name: str) -> str | None:
    """The colour of an emotion, or of positive and negative, in all pictures; None for others."""
    return _EMOTION_COLOURS.get(name) or _MERGED_COLOURS.get(name)


def plot_confusion_matrix(matrix: NDArray[np.int64], path: Path) -> None:
    """Draw shares of each true class, with the counts below.

    Args:
        matrix: (7, 7) int64 counts of (true class, predicted class).
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
        axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.55 else INK
            weight = "bold" if row == column else "normal"
            axes.text(
                column, row - 0.1, f"{share:.0%}", ha="center", va="center", color=colour, weight=weight
            )
            count = f"{matrix[row, column]:,}"
            axes.text(column, row + 0.24, count, ha="center", va="center", color=colour, size=7.5)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, format=PercentFormatter(1, decimals=0))
        bar.outline.set_visible(False)
        bar.set_label("share of the true class")

    save_figure(draw, path, size=(7.4, 6.2))


def plot_roc(curves: Sequence[RocCurve], areas: Mapping[str, float | None], path: Path) -> None:
    """Draw one-vs-rest curves of the probabilities.

    Args:
        curves: Curves of the classes and their mean.
        areas: Name of a curve to the area below it, for the legend.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        for curve in curves:
            area = areas.get(curve.name)
            label = curve.name if area is None else f"{curve.name}  {area:.3f}"
            style: dict[str, Any] = {"color": _EMOTION_COLOURS.get(curve.name, INK), "linewidth": 1.6}
            if curve.name in _EMOTION_COLOURS:
                style["linestyle"] = _EMOTION_DASHES[curve.name]
            else:
                style |= {"linewidth": 2.4, "linestyle": (0, (1, 0.6))}
            axes.plot(curve.false_positive_rate, curve.true_positive_rate, label=label, **style)
        axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
        if curves:
            axes.legend(loc="lower right", title="area under the curve", alignment="left")
        else:
            _say_nothing_to_draw(axes)

    save_figure(draw, path, size=(6.4, 6.2))


def plot_reliability(bins: CalibrationBins, path: Path) -> None:
    """Draw how often the network is right against how sure it is, above the number of images.

    Args:
        bins: Calibration of at least one image.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    filled = bins.count > 0
    centres, widths = (bins.low + bins.high) / 2, bins.high - bins.low

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        upper.bar(centres[filled], bins.accuracy[filled], width=widths[filled] * 0.92, color="#9cc0e7")
        upper.plot(
            [0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="perfect calibration"
        )
        upper.plot(
            bins.confidence[filled], bins.accuracy[filled], "o-", color=BLUE, markersize=4, label="this run"
        )
        upper.set(xlim=(0, 1), ylim=(0, 1.02))
        upper.set_ylabel("share that is right")
        upper.set_title(f"expected calibration error {bins.expected_error():.3f}")
        upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        upper.legend(loc="upper left")
        lower.bar(centres, bins.count, width=widths * 0.92, color=GREY)
        lower.set_ylabel("images")
        lower.set_xlabel("probability of the predicted class")
        lower.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))

    save_figure(draw, path, size=(6.4, 6.2))


def plot_coverage(curves: Mapping[str, CoverageCurve], path: Path) -> None:
    """Draw the accuracy of the answers against the share of images that are answered, surest first.

    Args:
        curves: What images to their curve, at most two, each of at least one image.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        lowest = 1.0
        for (name, curve), colour in zip(curves.items(), (BLUE, ORANGE), strict=False):
            # The accuracy of a handful of answers is noise.
            shown = curve.num_answered >= min(_FEWEST_ANSWERS, curve.num_answered[-1])
            coverage, accuracy = curve.coverage[shown], curve.accuracy[shown]
            axes.plot(coverage, accuracy, color=colour, linewidth=1.8, label=f"{name}: {accuracy[-1]:.1%}")
            axes.plot(coverage[-1], accuracy[-1], "o", color=colour, markersize=5, clip_on=False)
            lowest = min(lowest, accuracy.min())
        axes.set(xlim=(0, 1), ylim=(max(0.0, np.floor(lowest * 10 - 0.1) / 10), 1.005))
        axes.set_xlabel("share of images answered, the surest first")
        axes.set_ylabel("accuracy of the answers")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(loc="lower left", title="accuracy where all are answered", alignment="left")

    save_figure(draw, path, size=(6.4, 4.8))


def plot_classes(
    classes: Mapping[str, ClassScores], path: Path, *, paper_recalls: Mapping[str, float] | None
) -> None:
    """Draw recall, precision and F1 of each class.

    Args:
        classes: Figures of the classes, in the order they are drawn.
        path: The PNG that is written.
        paper_recalls: Recalls that are drawn beside this run's; None where they do not compare.

    Raises:
        OutputError: The file cannot be written.
    """
    series = [
        ("recall", [entry.recall or 0.0 for entry in classes.values()], BLUE),
        ("precision", [entry.precision or 0.0 for entry in classes.values()], "#9cc0e7"),
        ("F1", [entry.f1 or 0.0 for entry in classes.values()], GREEN),
    ]
    if paper_recalls is not None:
        series.insert(0, ("recall in the paper", [paper_recalls[name] for name in classes], GREY))
    names = [f"{name}\n{entry.support:,}" for name, entry in classes.items()]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis="x")
        width = 0.84 / len(series)
        positions = np.arange(len(classes)) - 0.42 + width / 2
        for index, (label, values, colour) in enumerate(series):
            bars = axes.bar(positions + index * width, values, width * 0.94, label=label, color=colour)
            if "recall" in label:
                texts = [f"{value:.2f}"[1:] if value < 1 else "1" for value in values]
                axes.bar_label(bars, texts, size=8, color=INK, padding=1)
        axes.set_xticks(range(len(classes)), names)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("class and its number of test images")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(series))

    save_figure(draw, path, size=(10, 4.4))


def plot_examples(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    path: Path,
    *,
    examples_per_class: int = 5,
) -> None:
    """Draw for each class its surest right and its surest wrong answers.

    Args:
        images: (N, 48, 48) uint8, 0-255, grey.
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1.
        path: The PNG that is written.
        examples_per_class: How many right and how many wrong ones.

    Raises:
        OutputError: The file cannot be written.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    side, pitch, row_height = 1.0, 1.12, 1.5
    wrong_offset = examples_per_class * pitch + 0.5

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        for column, text in ((0.0, "right"), (wrong_offset, "wrong (with what it was taken for)")):
            axes.text(column, -0.2, text, va="bottom", weight="bold")
        for row, emotion in enumerate(EMOTIONS):
            top = row * row_height
            axes.text(-0.2, top + side / 2, emotion, ha="right", va="center", weight="bold")
            for is_right, left in ((True, 0.0), (False, wrong_offset)):
                chosen = np.flatnonzero((labels == row) & ((predicted == row) == is_right))
                chosen = chosen[np.argsort(-confidence[chosen], kind="stable")][:examples_per_class]
                if len(chosen) == 0:
                    axes.text(left, top + side / 2, "none", va="center", color=GREY)
                for number, index in enumerate(chosen):
                    x = left + number * pitch
                    tile = images[index]
                    axes.imshow(tile, cmap="gray", vmin=0, vmax=255, extent=(x, x + side, top + side, top))
                    name = "" if is_right else f"{EMOTIONS[predicted[index]]} "
                    caption = f"{name}{confidence[index]:.0%}"
                    colour = INK if is_right else ORANGE
                    axes.text(
                        x + side / 2,
                        top + side + 0.05,
                        caption,
                        ha="center",
                        va="top",
                        size=7.5,
                        color=colour,
                    )
        axes.set(xlim=(-1.2, wrong_offset + examples_per_class * pitch), aspect="equal")
        axes.set_ylim(len(EMOTIONS) * row_height - 0.2, -0.5)

    save_figure(draw, path, size=(9.6, 8.0), is_dark_too=True)


def _say_nothing_to_draw(axes: Any) -> None:
    axes.text(0.5, 0.6, "no class has a curve:\nall images are of one class", ha="center", color=INK)
