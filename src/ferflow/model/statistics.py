"""What several tables of figures need: intervals of shares, and p-values that were tested together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

_SUM_TOLERANCE = 0.01


def wilson_interval(
    num_right: ArrayLike, num_all: ArrayLike, *, confidence_level: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The Wilson score interval of shares: it is never empty and never leaves 0-1.

    Args:
        num_right: (N,) or one number of right answers.
        num_all: The numbers of answers, each at least 1.
        confidence_level: The confidence level of the intervals, such as 0.95.

    Returns:
        The lower and the upper ends, 0-1.
    """
    right, total = np.asarray(num_right, np.float64), np.asarray(num_all, np.float64)
    squared = ndtri((1 + confidence_level) / 2) ** 2
    share = right / total
    centre = share + squared / (2 * total)
    spread = np.sqrt(squared * (share * (1 - share) / total + squared / (4 * total**2)))
    scale = 1 + squared / total
    low = np.where(right == 0, 0.0, (centre - spread) / scale)
    high = np.where(right == total, 1.0, (centre + spread) / scale)
    return low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having been tested together (Holm 1979), in the order given."""
    adjusted = np.zeros(len(p_values))
    highest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return [float(value) for value in adjusted]


def worst_sum(probabilities: NDArray[np.float64]) -> tuple[int, float] | None:
    """The row that is farthest from adding up to 1, and its sum; None where all of them do, but for rounding.

    Args:
        probabilities: (N, classes); a row that holds NaN adds up to NaN, which is farthest.
    """
    sums = probabilities.sum(axis=1)
    distances = np.abs(sums - 1)
    if np.all(distances <= _SUM_TOLERANCE):
        return None
    row = int(np.argmax(distances))
    return row, float(sums[row])
