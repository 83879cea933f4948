"""The pictures of a sweep: its history, what mattered, and how values and scores go together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ferflow import heavy
from ferflow.reporting.figure import BLUE, GREY, INK, ORANGE, save_figure

_COLUMNS = 3


@dataclass(frozen=True)
class SweepKey:
    """A key that was searched.

    Attributes:
        key: Its dotted name.
        low: Lower end of its range; 0 for choices.
        high: Upper end; number of the last choice.
        is_log: Whether its scale is logarithmic.
        choices: What it was chosen from, as text; empty for a range.
    """

    key: str
    low: float
    high: float
    is_log: bool
    choices: tuple[str, ...] = ()

    def place(self, value: Any) -> float:
        """The place of a value on the key's own axis; choices are numbered."""
        return float(self.choices.index(str(value))) if self.choices else float(value)

    def share(self, value: Any) -> float:
        """The place of a value in the range, 0-1."""
        ends = (self.low, self.place(value), self.high)
        low, here, high = (math.log(end) for end in ends) if self.is_log else ends
        return (here - low) / (high - low) if high > low else 0.5


@dataclass(frozen=True)
class SweepTrial:
    """A trial that is drawn.

    Attributes:
        number: The number of the trial.
        state: `complete` or `pruned`.
        value: Validation accuracy, 0-1: the best epoch's, or the last one's of a pruned trial.
        curve: Epoch to validation accuracy.
        values: Key to value.
        is_baseline: Whether it is the parameters' own setting.
    """

    number: int
    state: str
    value: float
    curve: Mapping[int, float]
    values: Mapping[str, Any]
    is_baseline: bool


def plot_history(trials: Sequence[SweepTrial], path: Path) -> None:
    """Draw the score of each trial with the best so far, and the learning curves.

    Args:
        trials: By number.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """

    def draw(figure: Figure) -> None:
        scores, curves = figure.subplots(1, 2)
        _draw_scores(scores, trials)
        _draw_curves(curves, trials)
        for axes in (scores, curves):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    save_figure(draw, path, size=(11.5, 4.2))


def _draw_scores(axes: Any, trials: Sequence[SweepTrial]) -> None:
    complete = sorted(
        (trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.number
    )
    pruned = [trial for trial in trials if trial.state == "pruned"]
    for chosen, label, fill, edge in (
        (complete, "trained to its end", BLUE, BLUE),
        (pruned, "pruned (last epoch)", "none", GREY),
    ):
        numbers, values = [trial.number for trial in chosen], [trial.value for trial in chosen]
        axes.scatter(numbers, values, s=26, label=label, zorder=3, facecolors=fill, edgecolors=edge)
    if complete:
        steps = np.maximum.accumulate([trial.value for trial in complete])
        numbers = [trial.number for trial in complete] + [max(trial.number for trial in trials)]
        axes.step(numbers, [*steps, steps[-1]], where="post", color=ORANGE, label="best so far")
    for baseline in (trial for trial in trials if trial.is_baseline):
        axes.axhline(baseline.value, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="own setting")
    axes.set_title("validation accuracy by trial")
    axes.set_xlabel("trial")
    axes.legend(loc="lower right", fontsize=8.5)


def _draw_curves(axes: Any, trials: Sequence[SweepTrial]) -> None:
    best = best_of(trials)
    for trial in sorted(trials, key=lambda trial: trial is best):
        epochs = sorted(trial.curve)
        values = [trial.curve[epoch] for epoch in epochs]
        colour = BLUE if trial.state == "complete" else GREY
        if trial is best:
            axes.plot(epochs, values, color=ORANGE, linewidth=2.2)
        else:
            axes.plot(epochs, values, ".-" if len(epochs) == 1 else "-", color=colour, linewidth=1, alpha=0.7)
    axes.set_title("by epoch (orange: the best trial, grey: pruned)")
    axes.set_xlabel("epoch")


def plot_importances(importances: Mapping[str, float], path: Path) -> None:
    """Draw the share of the differences that each key explains.

    Args:
        importances: Key to share, 0-1.
        path: The PNG that is written.

    Raises:
        OutputError: The file cannot be written.
    """
    ordered = sorted(importances.items(), key=lambda item: item[1])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis="y")
        names, shares = [name for name, _ in ordered], [share for _, share in ordered]
        bars = axes.barh(names, shares, color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=4)
        axes.set_xlim(0, max([1e-9, *shares]) * 1.15)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("share of the differences between trials")
        axes.tick_params(axis="y", length=0)

    save_figure(draw, path, size=(7.4, 1.2 + 0.42 * len(ordered)))


def plot_parallel(trials: Sequence[SweepTrial], keys: Sequence[SweepKey], path: Path) -> None:
    """Draw each trial as a line over the keys, coloured by its score; the best one on top.

    Raises:
        OutputError: The file cannot be written.
    """
    best = best_of(trials)
    scores = [trial.value for trial in trials] or [0.0]
    scale = Normalize(min(scores), max(scores))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        places = range(len(keys) + 1)
        for trial in sorted(trials, key=lambda trial: (trial is best, trial.value)):
            line = [scale(trial.value), *(key.share(trial.values[key.key]) for key in keys)]
            if trial is best:
                style: dict[str, Any] = {"color": ORANGE, "linewidth": 2.6, "zorder": 4}
            else:
                shade = _blues()(0.15 + 0.8 * float(scale(trial.value)))
                style = {"color": shade, "linewidth": 1.2, "zorder": 3}
            axes.plot(places, line, **style)
        ends = [("accuracy", f"{scale.vmin:.1%}", f"{scale.vmax:.1%}")]
        ends += [(_short(key.key), _end(key, low=True), _end(key, low=False)) for key in keys]
        for place, (name, low, high) in enumerate(ends):
            axes.plot([place, place], [0, 1], color=GREY, linewidth=1, zorder=1)
            axes.text(place, -0.03, low, ha="center", va="top", size=9)
            axes.text(place, 1.03, high, ha="center", va="bottom", size=9)
            axes.text(place, 1.12, name, ha="center", va="bottom", weight="bold")
        for place, key in enumerate(keys, start=1):
            for choice in key.choices[1:-1]:
                axes.text(place + 0.03, key.share(choice), choice, size=9, va="center")
        axes.set(xlim=(-0.35, len(keys) + 0.35), ylim=(-0.12, 1.22))
        axes.set_xticks([])
        axes.set_yticks([])

    save_figure(draw, path, size=(max(7.0, 1.9 * (len(keys) + 1)), 4.6))


def plot_slices(trials: Sequence[SweepTrial], keys: Sequence[SweepKey], path: Path) -> None:
    """Draw the score against each key.

    Raises:
        OutputError: The file cannot be written.
    """
    best = best_of(trials)
    columns = min(_COLUMNS, len(keys))
    rows = math.ceil(len(keys) / columns)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, key in zip(grid.flat, keys, strict=False):
            for trial in trials:
                is_whole = trial.state == "complete"
                colour = ORANGE if trial is best else BLUE if is_whole else GREY
                axes.scatter(
                    key.place(trial.values[key.key]),
                    trial.value,
                    s=60 if trial is best else 26,
                    color=colour if is_whole else "none",
                    edgecolors=colour,
                    zorder=4 if trial is best else 3,
                )
            if key.is_log:
                axes.set_xscale("log")
            if key.choices:
                axes.set_xticks(range(len(key.choices)), key.choices)
                axes.set_xlim(-0.5, len(key.choices) - 0.5)
            axes.set_title(key.key)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for axes in list(grid.flat)[len(keys) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("validation accuracy")

    save_figure(draw, path, size=(3.9 * columns, 3.1 * rows))


def best_of(trials: Sequence[SweepTrial]) -> SweepTrial | None:
    """The complete trial of the highest value, the first of equals."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def _blues() -> Any:
    return heavy.matplotlib.colormaps["Blues"]


def _short(key: str) -> str:
    return key.rsplit(".", 1)[-1]


def _end(key: SweepKey, *, low: bool) -> str:
    if key.choices:
        return key.choices[0 if low else -1]
    return f"{key.low if low else key.high:g}"
