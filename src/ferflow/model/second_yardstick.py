"""The accuracy against the votes of FER+, beside the accuracy against FER-2013's own labels.

Counted are the images whose majority (`ferflow.data.fer_plus.majority`) is one of the seven emotions: a
network of seven classes can name neither contempt nor an image without a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.fer_plus import Votes, majority_labels
from ferflow.model.metrics import accuracy_interval

_DECIMALS = 6


@dataclass(frozen=True)
class VoteScores:
    """Accuracy against the majority of votes, 0-1; None where no image is counted.

    Attributes:
        accuracy: Share of images whose most probable class is the majority's.
        accuracy_low: Lower end of the accuracy's Wilson score interval.
        accuracy_high: Upper end of it.
        num_images: Number of images that are counted.
    """

    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    num_images: int


@dataclass(frozen=True)
class SecondYardstick(VoteScores):
    """The accuracy against FER+.

    Attributes:
        label_agreement: Share of the counted images whose FER-2013 label is the majority's.
        not_counted: Numbers of images by their majority: contempt, unknown (no majority among them) and
            not_a_face.
        leak_free: The accuracy without leaked images.
    """

    label_agreement: float | None
    not_counted: dict[str, int]
    leak_free: VoteScores


def score_votes(
    votes: Votes,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float64],
    *,
    leaked: NDArray[np.bool_],
    confidence_level: float,
) -> SecondYardstick:
    """Score predictions against the votes of FER+.

    Args:
        votes: (N, 10) uint8.
        labels: (N,) FER-2013's own labels, index into `EMOTIONS`.
        probabilities: (N, 7) float64.
        leaked: (N,) bool: the image has a copy in train or val.
        confidence_level: The confidence level of the accuracy's interval, such as 0.95.
    """
    wanted, not_counted = majority_labels(votes)
    is_counted = wanted >= 0
    is_right = probabilities.argmax(axis=1) == wanted
    agrees = (wanted == labels)[is_counted]
    everything = _scores(is_right[is_counted], confidence_level)
    return SecondYardstick(
        accuracy=everything.accuracy,
        accuracy_low=everything.accuracy_low,
        accuracy_high=everything.accuracy_high,
        num_images=everything.num_images,
        label_agreement=round(float(agrees.mean()), _DECIMALS) if len(agrees) else None,
        not_counted=not_counted,
        leak_free=_scores(is_right[is_counted & ~leaked], confidence_level),
    )


def _scores(is_right: NDArray[np.bool_], confidence_level: float) -> VoteScores:
    if len(is_right) == 0:
        return VoteScores(None, None, None, num_images=0)
    low, high = accuracy_interval(int(is_right.sum()), len(is_right), confidence_level=confidence_level)
    accuracy, low, high = (round(value, _DECIMALS) for value in (float(is_right.mean()), low, high))
    return VoteScores(accuracy, low, high, num_images=len(is_right))
