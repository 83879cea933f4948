"""The picture of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ferflow.reporting.figure import BLUE, GREEN, GREY, ORANGE, save_figure


def plot_history(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw loss, accuracy and learning rate over the epochs, with the best epoch marked.

    Args:
        history: Columns `epoch`, `learning_rate`, `loss`, `accuracy`, `val_loss`, `val_accuracy`,
            each with one value an epoch. The best epoch is the first of highest `val_accuracy`.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    values = {name: np.asarray(column, dtype=float) for name, column in history.items()}
    epochs = values["epoch"]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 3, width_ratios=(3, 3, 2))
        for axes, name in zip(panels, ("accuracy", "loss"), strict=False):
            axes.plot(epochs, values[name], ".-", color=GREY, label="train (augmented)")
            axes.plot(epochs, values[f"val_{name}"], ".-", color=BLUE, label="validation")
            axes.set_title(name)
        panels[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panels[2].plot(epochs, values["learning_rate"], ".-", color=GREEN)
        panels[2].set_title("learning rate")
        panels[2].set_ylim(bottom=0)
        if len(epochs):
            best = int(np.argmax(values["val_accuracy"]))
            best_accuracy = values["val_accuracy"][best]
            label = f"best epoch {epochs[best]:.0f}: {best_accuracy:.1%}"
            for axes in panels[:2]:
                axes.axvline(epochs[best], color=ORANGE, linewidth=1, linestyle=(0, (4, 3)))
            panels[0].plot(epochs[best], best_accuracy, "o", color=ORANGE, markersize=7, label=label)
        for axes in panels:
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panels[0].legend(loc="lower right")

    save_figure(draw, path, size=(11.5, 3.8))
