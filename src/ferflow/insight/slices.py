"""Slices: bins of a trait, with the accuracy of each and whether it differs from the rest.

One slice in twenty differs from the rest by chance alone: p-values are adjusted for the number of
slices (Holm 1979). A slice may be harder only because hard emotions are more frequent in it: the
difference is also given within the emotions (Mantel and Haenszel 1959, for differences Greenland
and Robins 1985).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from ferflow.insight.traits import Trait
from ferflow.labels import EMOTIONS
from ferflow.model.metrics import accuracy_interval
from ferflow.model.statistics import holm

SIGNIFICANCE = 0.05

_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Slice:
    """The images of one bin of a trait.

    Attributes:
        trait: Name of the trait.
        name: Name or range of the bin.
        rows: (K,) int64, the images; K is at least 1.
        num_right: The number of them whose most probable class is their label.
        accuracy: Share of these.
        low: Lower end of its Wilson interval.
        high: Upper end of it.
        difference: Accuracy less that of the rest.
        difference_within: Mean difference within the emotions; None where no emotion is on both sides.
        p_value: Fisher's exact test against the rest, two-sided.
        p_adjusted: By Holm's method, for all slices.
    """

    trait: str
    name: str
    rows: NDArray[np.int64]
    num_right: int
    accuracy: float
    low: float
    high: float
    difference: float
    difference_within: float | None
    p_value: float
    p_adjusted: float

    @property
    def is_different(self) -> bool:
        """Whether chance alone does not explain the difference from the rest."""
        return self.p_adjusted < SIGNIFICANCE


def slice_by(
    traits: Sequence[Trait],
    labels: NDArray[np.uint8],
    right: NDArray[np.bool_],
    *,
    confidence_level: float,
) -> list[Slice]:
    """Cut the images into bins of each trait and score each.

    A trait that puts all images into one bin gives no slice: there is no rest.

    Args:
        traits: The traits of the N images.
        labels: (N,) uint8, index into `EMOTIONS`.
        right: (N,) bool: the prediction is the label.
        confidence_level: The confidence level of the intervals, such as 0.95.
    """
    slices = []
    for trait in traits:
        bins = bins_of(trait)
        if len(bins) > 1:
            slices += [
                _score(trait.name, name, rows, labels, right, confidence_level=confidence_level)
                for name, rows in bins
            ]
    adjusted = holm([entry.p_value for entry in slices])
    return [replace(entry, p_adjusted=value) for entry, value in zip(slices, adjusted, strict=True)]


def bins_of(trait: Trait) -> list[tuple[str, NDArray[np.int64]]]:
    """The name and rows of each bin that has images, from low values to high, unmeasured ones last."""
    measured = np.flatnonzero(~np.isnan(trait.values))
    values = trait.values[measured]
    edges = trait.edges or (np.unique(np.quantile(values, _QUARTERS)) if len(values) else ())
    numbers = np.searchsorted(np.asarray(edges, np.float64), values, side="right")
    bins = []
    for number in np.unique(numbers):
        rows = measured[numbers == number]
        bins.append((trait.names[number] if trait.names else _range(trait, rows), rows))
    lost = np.flatnonzero(np.isnan(trait.values))
    return [*bins, (trait.unmeasured, lost)] if trait.unmeasured and len(lost) else bins


def _range(trait: Trait, rows: NDArray[np.int64]) -> str:
    values = trait.values[rows]
    low, high = (f"{value:,.{trait.decimals}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _score(
    trait: str,
    name: str,
    rows: NDArray[np.int64],
    labels: NDArray[np.uint8],
    right: NDArray[np.bool_],
    *,
    confidence_level: float,
) -> Slice:
    inside = np.zeros(len(labels), np.bool_)
    inside[rows] = True
    num_right, num_rest_right = int(right[inside].sum()), int(right[~inside].sum())
    num_rest = len(labels) - len(rows)
    table = [[num_right, len(rows) - num_right], [num_rest_right, num_rest - num_rest_right]]
    p_value = float(fisher_exact(table).pvalue)
    low, high = accuracy_interval(num_right, len(rows), confidence_level=confidence_level)
    return Slice(
        trait=trait,
        name=name,
        rows=rows,
        num_right=num_right,
        accuracy=num_right / len(rows),
        low=low,
        high=high,
        difference=num_right / len(rows) - num_rest_right / num_rest,
        difference_within=_difference_within(inside, labels, right),
        p_value=p_value,
        p_adjusted=p_value,
    )


def _difference_within(
    inside: NDArray[np.bool_], labels: NDArray[np.uint8], right: NDArray[np.bool_]
) -> float | None:
    """The Mantel-Haenszel mean over the emotions of accuracy inside less accuracy outside."""
    classes = len(EMOTIONS)
    num_inside = np.bincount(labels[inside], minlength=classes)
    num_outside = np.bincount(labels[~inside], minlength=classes)
    both = (num_inside > 0) & (num_outside > 0)
    if not both.any():
        return None
    num_inside, num_outside = num_inside[both], num_outside[both]
    right_inside = np.bincount(labels[inside & right], minlength=classes)[both] / num_inside
    right_outside = np.bincount(labels[~inside & right], minlength=classes)[both] / num_outside
    weights = num_inside * num_outside / (num_inside + num_outside)
    return float(np.average(right_inside - right_outside, weights=weights))
