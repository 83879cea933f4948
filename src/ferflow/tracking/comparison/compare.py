"""Runs beside each other: what differs in their parameters, their figures, and which is better.

Figures of test images are computed anew from each run's predictions, so that all have the same
intervals; the paired test is on leak-free images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferflow.labels import EMOTIONS
from ferflow.model.metrics import accuracy_interval
from ferflow.reporting.outline import Table, format_value
from ferflow.tracking import names
from ferflow.tracking.comparison.compared_run import ComparedRun
from ferflow.tracking.comparison.paired import Predictions
from ferflow.tracking.comparison.pairs import SIGNIFICANCE, Pair, pair_table, paired_tests
from ferflow.tracking.text_table import render
from ferflow.tracking.tracked_run import TrackedRun

LEVEL = 0.95

_NOTHING = "\N{EN DASH}"
# Tags that tell where runs come from; shown where they differ.
_LINEAGE = (
    names.TAG_COMMIT,
    names.TAG_DIRTY,
    names.TAG_PROFILE,
    names.TAG_BACKEND,
    names.TAG_HARDWARE,
    names.TAG_SPLIT,
    names.TAG_TEST,
)


@dataclass(frozen=True)
class Comparison:
    """The runs with all that is said of them.

    Attributes:
        runs: In the order they were named.
        parameters: Parameters that differ.
        lineage: Where the runs come from, as far as that differs.
        figures: What they reached.
        pairs: Every two of them.
    """

    runs: list[ComparedRun]
    parameters: Table
    lineage: Table
    figures: Table
    pairs: list[Pair]


def compare(runs: Sequence[ComparedRun]) -> Comparison:
    """Put runs beside each other."""
    return Comparison(
        runs=list(runs),
        parameters=_differing("Parameters that differ", runs, lambda run: run.params),
        lineage=_differing(
            "What else differs",
            runs,
            lambda run: {tag: run.tags[tag] for tag in _LINEAGE if tag in run.tags},
        ),
        figures=figure_table(runs),
        pairs=paired_tests(runs),
    )


def headline(comparison: Comparison) -> str:
    """Which run is ahead, and what that is worth, in a sentence or two."""
    best = max(comparison.runs, key=lambda run: run.leak_free_accuracy)
    beaten: list[str] = []
    equal: list[str] = []
    other: list[str] = []
    for pair in comparison.pairs:
        if best in (pair.first, pair.second):
            letter = (pair.second if pair.first is best else pair.first).letter
            told_apart = pair.adjusted is not None and pair.adjusted < SIGNIFICANCE
            (other if pair.test is None else beaten if told_apart else equal).append(letter)
    words = [
        f"{best.letter} has the highest leak-free accuracy, {best.leak_free_accuracy:.1%}.",
        f"It is better than {_listed(beaten)} beyond chance." if beaten else "",
        f"It is not told apart from {_listed(equal)}." if equal else "",
        f"{_listed(other)} was scored on other test images: not comparable." if other else "",
    ]
    return " ".join(part for part in words if part)


def in_text(comparison: Comparison) -> str:
    """The comparison for a terminal."""
    runs = [f"{run.letter}  {run.run.label}" for run in comparison.runs]
    tables = [comparison.parameters, comparison.lineage, comparison.figures, pair_table(comparison.pairs)]
    parts = ["\n".join(runs)]
    parts += [f"{table.title}\n{render(table)}" for table in tables if table.rows]
    return "\n\n".join([*parts, headline(comparison)])


def figure_table(runs: Sequence[ComparedRun]) -> Table:
    """What the runs reached: shares with 95 % Wilson intervals, then what they cost."""
    rows = [
        ["leak-free accuracy", *(_share(run.predictions.leak_free().right()) for run in runs)],
        ["test accuracy", *(_share(run.predictions.right()) for run in runs)],
        *(
            [f"recall {emotion}", *(_share(_right_of(run.predictions, index)) for run in runs)]
            for index, emotion in enumerate(EMOTIONS)
        ),
        ["macro F1", *(_metric(run, names.TEST_MACRO_F1, lambda value: f"{value:.3f}") for run in runs)],
        [
            "best validation accuracy",
            *(_metric(run, names.BEST_VAL_ACCURACY, lambda value: f"{value:.1%}") for run in runs),
        ],
        ["parameters", *(_metric(run, names.PARAMETERS, lambda value: f"{value:,.0f}") for run in runs)],
        ["multiply-adds of an answer", *(format_value(run.run.cost) for run in runs)],
        [
            "training in seconds",
            *(_metric(run, names.TRAIN_SECONDS, lambda value: f"{value:,.0f}") for run in runs),
        ],
    ]
    kept = [row for row in rows if any(cell != _NOTHING for cell in row[1:])]
    return Table("Figures, with 95 % intervals (Wilson)", ["figure", *(run.letter for run in runs)], kept)


def _listed(letters: Sequence[str]) -> str:
    """Letters as one says them: `B`, `B and C`, `B, C and D`."""
    return " and ".join(filter(None, [", ".join(letters[:-1]), letters[-1]]))


def differing_keys(columns: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys whose values are not the same in all columns, sorted."""
    keys = sorted({key for column in columns for key in column})
    return [key for key in keys if len({column.get(key) for column in columns}) > 1]


def _differing(
    title: str, runs: Sequence[ComparedRun], values_of: Callable[[TrackedRun], Mapping[str, str]]
) -> Table:
    columns = [values_of(run.run) for run in runs]
    rows = [[key, *(format_value(column.get(key)) for column in columns)] for key in differing_keys(columns)]
    return Table(title, ["key", *(run.letter for run in runs)], rows)


def _share(right: NDArray[np.bool_]) -> str:
    """A share with its interval, such as `82.1% (75.0 to 87.6)`."""
    if len(right) == 0:
        return _NOTHING
    low, high = accuracy_interval(int(right.sum()), len(right), confidence_level=LEVEL)
    return f"{right.mean():.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _right_of(predictions: Predictions, index: int) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = predictions.right()[predictions.labels == index]
    return right


def _metric(run: ComparedRun, name: str, show: Callable[[float], str]) -> str:
    value = run.run.metrics.get(name)
    return _NOTHING if value is None else show(value)
