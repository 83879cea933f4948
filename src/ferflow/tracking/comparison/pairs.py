"""Paired tests between every two of several runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferflow.model.statistics import holm
from ferflow.reporting.outline import Table
from ferflow.tracking import names
from ferflow.tracking.comparison.compared_run import ComparedRun
from ferflow.tracking.comparison.paired import PairedTest, paired_test, same_images

SIGNIFICANCE = 0.05

_NOTHING = "\N{EN DASH}"
_NORMAL_QUANTILE = 1.959964  # of 97.5 %


@dataclass(frozen=True)
class Pair:
    """Two of the runs.

    Attributes:
        first: The one with at least as many leak-free images right.
        second: The other.
        test: McNemar's test of the first against the second; None where test sets differ.
        adjusted: Its p-value by Holm's method, for all pairs that were tested together.
    """

    first: ComparedRun
    second: ComparedRun
    test: PairedTest | None
    adjusted: float | None

    @property
    def verdict(self) -> str:
        """Who is better, in a few words."""
        if self.test is None or self.adjusted is None:
            return "other test sets: not comparable"
        if self.adjusted < SIGNIFICANCE:
            return f"{self.first.letter} is better"
        return "not told apart"


def paired_tests(runs: Sequence[ComparedRun]) -> list[Pair]:
    """McNemar's test between every two runs that were scored on one test set."""
    pairs: list[tuple[ComparedRun, ComparedRun, PairedTest | None]] = []
    for first, second in itertools.combinations(runs, 2):
        if not _is_comparable(first, second):
            pairs.append((first, second, None))
            continue
        test = paired_test(first.predictions, second.predictions)
        if test.difference < 0:
            first, second = second, first
            test = paired_test(first.predictions, second.predictions)
        pairs.append((first, second, test))
    adjusted = iter(holm([test.p_value for *_, test in pairs if test]))
    return [Pair(first, second, test, next(adjusted) if test else None) for first, second, test in pairs]


def difference_interval(test: PairedTest) -> tuple[float, float]:
    """The 95 % interval of the difference of two accuracies on the same images: (low, high).

    Wald's interval with half an image added to each of the four cells (Agresti and Min 2005), which
    keeps its level with few images.
    """
    num_images = test.num_images + 2
    gained, lost = (test.num_gained + 0.5) / num_images, (test.num_lost + 0.5) / num_images
    half = _NORMAL_QUANTILE * float(np.sqrt((gained + lost - (gained - lost) ** 2) / num_images))
    return max(-1.0, gained - lost - half), min(1.0, gained - lost + half)


def pair_table(pairs: Sequence[Pair]) -> Table:
    """The paired tests, one row each."""
    columns = ["pair", "difference", "95 % interval", "right by one alone", "p", "p (Holm)", "verdict"]
    rows = []
    for pair in pairs:
        name = f"{pair.first.letter} against {pair.second.letter}"
        test = pair.test
        if test is None or pair.adjusted is None:
            rows.append([name, *[_NOTHING] * 5, pair.verdict])
            continue
        low, high = difference_interval(test)
        cells = [
            f"{100 * test.difference:+.1f} points",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
            f"{test.num_gained:,} and {test.num_lost:,}",
            f"{test.p_value:.3g}",
            f"{pair.adjusted:.3g}",
        ]
        rows.append([name, *cells, pair.verdict])
    return Table("Paired tests on leak-free test images (McNemar, exact)", columns, rows)


def _is_comparable(first: ComparedRun, second: ComparedRun) -> bool:
    digests = {run.run.tags.get(names.TAG_TEST) for run in (first, second)}
    has_leak_free = not first.predictions.leaked.all()
    return len(digests) == 1 and same_images(first.predictions, second.predictions) and has_leak_free
