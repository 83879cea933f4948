"""The figures that a classifier of the seven emotions is judged by.

Two areas under the curve are told apart throughout: `auc_ovr_weighted` is of the probabilities, as
the name AUC usually means; `auc_hard_ovr_weighted` is of the predicted classes alone, which is what
Malik et al. (2025) print as AUC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.labels import EMOTIONS
from ferflow.model.statistics import wilson_interval

Labels = NDArray[np.integer[Any]]
Probabilities = NDArray[np.float64]

_NUM_CLASSES = len(EMOTIONS)
_DECIMALS = 6


@dataclass(frozen=True)
class Scores:
    """Figures over all classes, 0-1, rounded to 6 decimals; None where they are not defined.

    Attributes:
        accuracy: Share of images whose most probable class is their label.
        accuracy_low: Lower end of the accuracy's Wilson score interval.
        accuracy_high: Upper end of it.
        precision_weighted: Mean over classes, weighted by support, as are the two that follow.
        recall_weighted: Equals the accuracy.
        f1_weighted: Not the harmonic mean of the two above.
        f1_macro: Plain mean over the classes that have images.
        auc_ovr_weighted: One-vs-rest area under the curve of the probabilities, weighted by support.
        auc_hard_ovr_weighted: The same of the predicted classes: (TPR + TNR) / 2.
        ece: Expected calibration error of the most probable class.
        num_images: Number of images scored.
    """

    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    precision_weighted: float | None
    recall_weighted: float | None
    f1_weighted: float | None
    f1_macro: float | None
    auc_ovr_weighted: float | None
    auc_hard_ovr_weighted: float | None
    ece: float | None
    num_images: int


@dataclass(frozen=True)
class ClassScores:
    """Figures of one class, 0-1, rounded to 6 decimals; None where the class has no images.

    Attributes:
        precision: Share of the images predicted as this class that are; 0 if none was predicted.
        recall: Share of this class's images that were found.
        f1: Harmonic mean of the two.
        support: Number of images of this class.
        auc: Area under the curve of this class's probability against the rest; also None where
            every image is of this class.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    auc: float | None


@dataclass(frozen=True)
class CalibrationBins:
    """Equal-width bins of the probability of the predicted class; each field is (bins,).

    Attributes:
        low: Lower edge of the bin, open (but 0 is in the first).
        high: Upper edge of the bin, closed.
        count: Number of images in the bin.
        confidence: Mean probability in the bin; NaN where it is empty.
        accuracy: Share of right predictions in the bin; NaN where it is empty.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    def expected_error(self) -> float:
        """Mean distance of confidence and accuracy, weighted by the images of each bin."""
        filled = self.count > 0
        gaps = np.abs(self.confidence - self.accuracy)[filled]
        return float(np.average(gaps, weights=self.count[filled]))


@dataclass(frozen=True)
class RocCurve:
    """A receiver operating characteristic.

    Attributes:
        name: Name of the class, or `weighted` for the mean curve.
        false_positive_rate: (P,) float64, rising from 0 to 1.
        true_positive_rate: (P,) float64, rising from 0 to 1.
    """

    name: str
    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]


def score(
    labels: Labels, probabilities: Probabilities, *, confidence_level: float, calibration_bins: int
) -> Scores:
    """Score predictions over all classes.

    A class without images has no recall and no area; it counts in no mean.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`; N may be 0, then every figure is None.
        probabilities: (N, 7) float64, rows adding up to 1.
        confidence_level: The confidence level of the accuracy's interval, such as 0.95.
        calibration_bins: Number of bins of the calibration error.
    """
    num_images = len(labels)
    if num_images == 0:
        return Scores(None, None, None, None, None, None, None, None, None, None, num_images=0)
    predicted = probabilities.argmax(axis=1)
    num_right = int((predicted == labels).sum())
    low, high = accuracy_interval(num_right, num_images, confidence_level=confidence_level)
    precision, recall, f1, support = _per_class(labels, predicted)
    bins = calibration(labels, probabilities, num_bins=calibration_bins)
    return Scores(
        accuracy=_rounded(num_right / num_images),
        accuracy_low=_rounded(low),
        accuracy_high=_rounded(high),
        precision_weighted=_rounded(_weighted(precision, support)),
        recall_weighted=_rounded(_weighted(recall, support)),
        f1_weighted=_rounded(_weighted(f1, support)),
        f1_macro=_rounded(f1[support > 0].mean()),
        auc_ovr_weighted=_rounded(_weighted(_areas(labels, probabilities), support)),
        auc_hard_ovr_weighted=_rounded(_weighted(_hard_areas(labels, predicted), support)),
        ece=_rounded(bins.expected_error()),
        num_images=num_images,
    )


def score_classes(labels: Labels, probabilities: Probabilities) -> dict[str, ClassScores]:
    """Score each class against the rest.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1.

    Returns:
        Emotion to figures, in the order of `EMOTIONS`.
    """
    precision, recall, f1, support = _per_class(labels, probabilities.argmax(axis=1))
    areas = _areas(labels, probabilities)
    result = {}
    for index, emotion in enumerate(EMOTIONS):
        if support[index] == 0:
            result[emotion] = ClassScores(None, None, None, 0, None)
            continue
        result[emotion] = ClassScores(
            precision=_rounded(precision[index]),
            recall=_rounded(recall[index]),
            f1=_rounded(f1[index]),
            support=int(support[index]),
            auc=_rounded(areas[index]),
        )
    return result


def accuracy_interval(num_right: int, num_images: int, *, confidence_level: float) -> tuple[float, float]:
    """The Wilson score interval of an accuracy: (low, high), 0-1.

    It is never empty and never leaves 0-1, unlike the normal approximation.
    """
    low, high = wilson_interval(num_right, num_images, confidence_level=confidence_level)
    return float(low), float(high)


def confusion_matrix(labels: Labels, predicted: Labels) -> NDArray[np.int64]:
    """Counts of (true class, predicted class), (7, 7) int64."""
    pairs = labels.astype(np.int64) * _NUM_CLASSES + predicted
    return np.bincount(pairs, minlength=_NUM_CLASSES**2).reshape(_NUM_CLASSES, _NUM_CLASSES)


def calibration(labels: Labels, probabilities: Probabilities, *, num_bins: int) -> CalibrationBins:
    """Compare what the network claims with how often it is right.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1.
        num_bins: Number of equal-width bins between 0 and 1.
    """
    edges = np.linspace(0, 1, num_bins + 1)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    count = np.bincount(bins, minlength=num_bins)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean: 0 / 0
        mean_confidence = np.bincount(bins, weights=confidence, minlength=num_bins) / count
        accuracy = np.bincount(bins, weights=right, minlength=num_bins) / count
    return CalibrationBins(edges[:-1], edges[1:], count, mean_confidence, accuracy)


def roc_curves(labels: Labels, probabilities: Probabilities, *, max_points: int = 200) -> list[RocCurve]:
    """The one-vs-rest curve of each class, then their mean weighted by support.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`.
        probabilities: (N, 7) float64, rows adding up to 1.
        max_points: A curve of more points is thinned to so many; its ends stay.

    Returns:
        The curves; none of a class that has no images, or that all images belong to, and no mean
        where there is no curve.
    """
    curves, supports = [], []
    grid = np.linspace(0, 1, max_points)
    mean = np.zeros(max_points)
    for index in _curved_classes(labels):
        positive = labels == index
        false_rate, true_rate, _ = heavy.sklearn.metrics.roc_curve(positive, probabilities[:, index])
        kept = np.unique(np.linspace(0, len(false_rate) - 1, max_points).round().astype(int))
        curves.append(RocCurve(EMOTIONS[index], false_rate[kept], true_rate[kept]))
        supports.append(positive.sum())
        mean += positive.sum() * np.interp(grid, false_rate, true_rate)
    if curves:
        mean_curve = RocCurve("weighted", np.append(0.0, grid), np.append(0.0, mean / sum(supports)))
        curves.append(mean_curve)
    return curves


def _per_class(labels: Labels, predicted: Labels) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall, F1 and support, each (7,)."""
    figures: tuple[NDArray[np.float64], ...] = heavy.sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(_NUM_CLASSES), zero_division=0
    )
    return figures


def _areas(labels: Labels, probabilities: Probabilities) -> NDArray[np.float64]:
    """The area under each class's curve, (7,); NaN where it is not defined."""
    areas = np.full(_NUM_CLASSES, np.nan)
    for index in _curved_classes(labels):
        areas[index] = heavy.sklearn.metrics.roc_auc_score(labels == index, probabilities[:, index])
    return areas


def _hard_areas(labels: Labels, predicted: Labels) -> NDArray[np.float64]:
    """(TPR + TNR) / 2 of each class, (7,); NaN where it is not defined."""
    matrix = confusion_matrix(labels, predicted)
    areas = np.full(_NUM_CLASSES, np.nan)
    for index in _curved_classes(labels):
        positives = matrix[index].sum()
        negatives = matrix.sum() - positives
        true_positive_rate = matrix[index, index] / positives
        false_positive_rate = (matrix[:, index].sum() - matrix[index, index]) / negatives
        areas[index] = (true_positive_rate + 1 - false_positive_rate) / 2
    return areas


def _curved_classes(labels: Labels) -> list[int]:
    """The classes with both images and others: only they have a curve."""
    support = np.bincount(labels, minlength=_NUM_CLASSES)
    return [int(index) for index in np.flatnonzero((support > 0) & (support < len(labels)))]


def _weighted(values: NDArray[np.float64], support: NDArray[Any]) -> float:
    """Mean of the defined values, weighted by support; NaN where none is."""
    defined = ~np.isnan(values)
    weights = support[defined]
    return float(np.average(values[defined], weights=weights)) if weights.any() else float("nan")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), _DECIMALS)
