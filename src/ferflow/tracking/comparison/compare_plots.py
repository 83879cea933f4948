"""The pictures of a comparison: learning curves over each other, and where confusions differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ferflow.labels import EMOTIONS
from ferflow.model.metrics import confusion_matrix
from ferflow.reporting.figure import INK, save_figure
from ferflow.tracking.comparison.compared_run import ComparedRun

# After Okabe and Ito. Dashes tell runs apart where people who do not see red and green see one colour.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#8f3f97", "#e69f00")
_DASHES = ("-", "--", "-.", ":", (0, (8, 2, 2, 2, 2, 2)))
_PANELS = {
    "val_accuracy": "validation accuracy",
    "accuracy": "training accuracy",
    "val_loss": "validation loss",
}


def plot_curves(runs: Sequence[ComparedRun], path: Path) -> None:
    """Draw the runs' learning curves over each other; a dot marks each one's best epoch.

    Args:
        runs: The runs; one without a history has no curve.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(_PANELS))
        for axes, (metric, title) in zip(panels, _PANELS.items(), strict=True):
            for index, run in enumerate(runs):
                points = np.array(run.history.get(metric, []), dtype=float).reshape(-1, 2)
                colour, dash = line_style(index)
                label = f"{run.letter}  {run.run.name}"
                axes.plot(*points.T, linestyle=dash, color=colour, linewidth=1.6, label=label)
                if metric == "val_accuracy" and len(points):
                    axes.plot(*points[points[:, 1].argmax()], "o", color=colour, markersize=6)
            axes.set_title(title)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if metric.endswith("accuracy"):
                axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(runs)))

    save_figure(draw, path, size=(11.5, 4.2))


def line_style(index: int) -> tuple[str, Any]:
    """Colour and dashes of a run's curves; no two of ten runs have both."""
    colour = (index + (index // len(_DASHES))) % len(_COLOURS)
    return _COLOURS[colour], _DASHES[index % len(_DASHES)]


def plot_confusion_difference(first: ComparedRun, second: ComparedRun, path: Path) -> None:
    """Draw by how many points of each true class two runs' answers differ.

    Purple on the diagonal, and orange beside it, speaks for the first run.

    Args:
        first: The run whose shares count as plus.
        second: The run whose shares are taken off.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    points = 100 * (confusion_shares(first) - confusion_shares(second))
    limit = max(1.0, float(np.abs(points).max()))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        image = axes.imshow(points, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
        axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for (row, column), value in np.ndenumerate(points):
            if abs(value) < 0.05:
                continue
            colour = "white" if abs(value) > 0.6 * limit else INK
            weight = "bold" if row == column else "normal"
            axes.text(
                column, row, f"{value:+.1f}", ha="center", va="center", color=colour, weight=weight, size=9
            )
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.outline.set_visible(False)
        bar.set_label(f"points of the true class, {first.letter} less {second.letter}")

    save_figure(draw, path, size=(7.8, 6.2))


def confusion_shares(run: ComparedRun) -> NDArray[np.float64]:
    """Shares of each true class by predicted class on all test images, (7, 7); 0 for an absent class."""
    matrix = confusion_matrix(run.predictions.labels, run.predictions.predicted)
    totals = matrix.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    return shares
