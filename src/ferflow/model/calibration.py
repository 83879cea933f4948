"""How sure an answer is after temperature scaling, and what abstaining from unsure ones gains.

Temperature scaling (Guo et al. 2017): probabilities p become softmax(log p / T), with one number T
that makes the validation images most likely. The confidence of an answer is its probability then.
Selective prediction (Geifman & El-Yaniv 2017): answer where the confidence reaches a threshold;
coverage is the share of images that are answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from ferflow.model.metrics import Labels, Probabilities, calibration
from ferflow.model.statistics import wilson_interval

# Figures that are given: at these shares of answers, thresholds of confidence and wanted accuracies.
COVERAGES = ("1.0", "0.9", "0.8", "0.7", "0.5")
CONFIDENCES = ("0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.95")
WANTED_ACCURACIES = ("0.7", "0.8", "0.9", "0.95")

_COLDEST, _HOTTEST = 0.05, 20.0
_TEMPERATURE_DECIMALS = 4
_DECIMALS = 6
# Probabilities have 6 decimals: one that is written as 0 may be up to this.
_LEAST_PROBABILITY = 5e-7


@dataclass(frozen=True)
class Answered:
    """What happens where only answers of some confidence are given.

    Attributes:
        threshold: Confidence from which an answer is given; None if there is no such threshold.
        coverage: Share of images answered; None without a threshold or without images.
        accuracy: Share of the answers that are right; None where none is given.
    """

    threshold: float | None
    coverage: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Abstention:
    """What abstaining gains on some images.

    Attributes:
        aurc: Area under the risk-coverage curve: mean share of wrong answers over all coverages.
        by_coverage: Wanted share of answers to the threshold that gives it on these images.
        by_confidence: Threshold to what it gives.
        by_accuracy: Wanted accuracy to the threshold that was chosen for it on other images.
    """

    aurc: float | None
    by_coverage: dict[str, Answered]
    by_confidence: dict[str, Answered]
    by_accuracy: dict[str, Answered]


@dataclass(frozen=True)
class Calibrated:
    """Figures of the confidence on some images.

    Attributes:
        ece_calibrated: Expected calibration error after temperature scaling; None without a temperature.
        abstention: What abstaining gains.
    """

    ece_calibrated: float | None
    abstention: Abstention

    def as_json(self) -> dict[str, object]:
        """What `metrics.json` holds of it: few enough figures for a table of `dvc metrics show`."""
        found = self.abstention
        return {
            "ece_calibrated": self.ece_calibrated,
            "abstention": {
                "aurc": found.aurc,
                "accuracy_at_coverage": {share: row.accuracy for share, row in found.by_coverage.items()},
                "by_accuracy": {wanted: asdict(row) for wanted, row in found.by_accuracy.items()},
            },
        }


@dataclass(frozen=True)
class Confidence:
    """What the confidence rests on, and what it is worth.

    Attributes:
        temperature: Fitted on validation images; None where there is none, then probabilities stay.
        full: On all scored images.
        leak_free: On those that are not leaked.
    """

    temperature: float | None
    full: Calibrated
    leak_free: Calibrated


@dataclass(frozen=True)
class CoverageCurve:
    """Accuracy against coverage, a point for each distinct confidence; fields are (P,).

    Attributes:
        threshold: Confidence from which answers are given, falling.
        num_answered: Answers that are given, rising to the number of images.
        num_right: Those of them that are right.
    """

    threshold: NDArray[np.float64]
    num_answered: NDArray[np.int64]
    num_right: NDArray[np.int64]

    @property
    def coverage(self) -> NDArray[np.float64]:
        """Share of images answered."""
        return self.num_answered / self.num_answered[-1:]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of the answers that are right."""
        return self.num_right / self.num_answered


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """The temperature under which the labels are most likely, by bounded scalar minimisation.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`; N is at least 1.
        probabilities: (N, 7) float64, rows adding up to 1.

    Returns:
        Between 0.05 and 20, rounded to 4 decimals; above 1 where the network is too sure.
    """
    logs = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    of_label = logs[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        return float((logsumexp(logs / temperature, axis=1) - of_label / temperature).mean())

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return round(float(np.exp(found.x)), _TEMPERATURE_DECIMALS)


def scaled(probabilities: Probabilities, temperature: float | None) -> Probabilities:
    """softmax(log p / T), rounded to 6 decimals; without a temperature the probabilities themselves.

    Args:
        probabilities: (N, 7) float64, rows adding up to 1.
        temperature: T.
    """
    if temperature is None:
        return probabilities
    logs = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return np.asarray(softmax(logs / temperature, axis=1).round(_DECIMALS))


def coverage_curve(labels: Labels, confident: Probabilities) -> CoverageCurve:
    """Accuracy against coverage as the threshold falls.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`; N may be 0, then there is no point.
        confident: (N, 7) float64, of `scaled`.
    """
    confidence = confident.max(axis=1)
    right = confident.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    # Images of one confidence are answered together: the last of them makes the point.
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True)[: len(falling)])
    return CoverageCurve(falling[last], last + 1, np.cumsum(right[order])[last])


def choose_thresholds(curve: CoverageCurve, *, confidence_level: float) -> dict[str, float | None]:
    """For each wanted accuracy the lowest threshold at which the answers reach it.

    They reach it if the lower end of the Wilson interval of their accuracy does: a few right
    answers in a row are not enough.

    Args:
        curve: The curve of validation images.
        confidence_level: The confidence level of the interval, such as 0.95.

    Returns:
        Wanted accuracy to threshold: 0 where all answers reach it, None where none do.
    """
    low, _ = wilson_interval(curve.num_right, curve.num_answered, confidence_level=confidence_level)
    chosen: dict[str, float | None] = {}
    for wanted in WANTED_ACCURACIES:
        reached = np.flatnonzero(low >= float(wanted))
        if len(reached) == 0:
            chosen[wanted] = None
        else:
            is_all = reached[-1] == len(low) - 1
            chosen[wanted] = 0.0 if is_all else float(curve.threshold[reached[-1]])
    return chosen


def calibrated(
    labels: Labels,
    probabilities: Probabilities,
    *,
    temperature: float | None,
    thresholds: Mapping[str, float | None],
    calibration_bins: int,
) -> Calibrated:
    """Score the confidence of answers.

    Args:
        labels: (N,) true classes, index into `EMOTIONS`; N may be 0, then figures are None.
        probabilities: (N, 7) float64, rows adding up to 1.
        temperature: The temperature of the scaling.
        thresholds: Wanted accuracy to the threshold chosen for it.
        calibration_bins: Number of bins of the calibration error.
    """
    confident = scaled(probabilities, temperature)
    curve = coverage_curve(labels, confident)
    error = None
    if temperature is not None and len(labels):
        error = _rounded(calibration(labels, confident, num_bins=calibration_bins).expected_error())
    abstention = Abstention(
        aurc=_area(curve),
        by_coverage={share: _at_coverage(curve, float(share)) for share in COVERAGES},
        by_confidence={level: _at_threshold(curve, float(level)) for level in CONFIDENCES},
        by_accuracy={wanted: _at_threshold(curve, value) for wanted, value in thresholds.items()},
    )
    return Calibrated(error, abstention)


def _at_coverage(curve: CoverageCurve, share: float) -> Answered:
    """The highest threshold that answers at least a share of the images."""
    if len(curve.threshold) == 0:
        return Answered(None, None, None)
    enough = np.flatnonzero(curve.coverage >= share - 1e-9)
    return _at_threshold(curve, float(curve.threshold[enough[0]]))


def _at_threshold(curve: CoverageCurve, threshold: float | None) -> Answered:
    if threshold is None or len(curve.threshold) == 0:
        return Answered(threshold, None, None)
    num_points = int((curve.threshold >= threshold).sum())
    if num_points == 0:
        return Answered(threshold, 0.0, None)
    point = num_points - 1
    return Answered(threshold, _rounded(curve.coverage[point]), _rounded(curve.accuracy[point]))


def _area(curve: CoverageCurve) -> float | None:
    """Mean over the images of the share of wrong answers among those at least as sure."""
    if len(curve.threshold) == 0:
        return None
    added = np.diff(curve.num_answered, prepend=0)
    return _rounded(float(np.average(1 - curve.accuracy, weights=added)))


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)
