"""A check of the label errors that needs no judge: copies of one picture with different labels.

Where two copies of a picture carry different labels, one of them is wrong, or the picture has no
single right label. Where all copies agree, several people gave the same answer. A ranking of label
errors that is worth something puts the first kind before the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Column
from ferflow.insight.label_errors import LabelErrors

_RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class CopyCheck:
    """The ranking against the labels of copies; shares and areas are None where they are not defined.

    Attributes:
        num_contradicted: Images of which a copy carries another label.
        num_groups: Pictures that these are copies of.
        num_contradicted_found: The number of these images that are likely errors.
        num_groups_found: Pictures of which at least one copy is a likely error.
        num_confirmed: Images whose copies all carry the same label.
        num_confirmed_found: The number of these that are likely errors.
        area: Chance that a contradicted image is ranked before a confirmed one; 0.5 is no better
            than drawing lots.
        area_low: Lower end of its 95 % bootstrap interval, over pictures.
        area_high: Upper end of it.
    """

    num_contradicted: int
    num_groups: int
    num_contradicted_found: int
    num_groups_found: int
    num_confirmed: int
    num_confirmed_found: int
    area: float | None
    area_low: float | None
    area_high: float | None


def check_by_copies(
    errors: LabelErrors, *, rows: NDArray[np.int64], copies: Column, labels: Column, seed: int
) -> CopyCheck:
    """Hold the ranking of label errors against the labels of copies.

    Args:
        errors: The likely errors among the N images out of sample.
        rows: (N,) the row of each of them in the manifest.
        copies: (M,) what copies share: `sha256` or `group` of the manifest.
        labels: (M,) label of each row of the manifest, in and out of sample.
        seed: The seed of the bootstrap.
    """
    pictures = np.unique(copies, return_inverse=True)[1]
    num_copies = np.bincount(pictures)
    answers = np.unique(np.stack([pictures, np.unique(labels, return_inverse=True)[1]], axis=1), axis=0)
    num_answers = np.bincount(answers[:, 0])
    mine = pictures[rows]
    contradicted = num_answers[mine] > 1
    confirmed = (num_copies[mine] > 1) & ~contradicted
    found = errors.is_likely_error()
    interval = _area_interval(errors.scores, contradicted, confirmed, mine, seed=seed)
    area = _area(errors.scores[contradicted], errors.scores[confirmed])
    return CopyCheck(
        num_contradicted=int(contradicted.sum()),
        num_groups=len(np.unique(mine[contradicted])),
        num_contradicted_found=int((contradicted & found).sum()),
        num_groups_found=len(np.unique(mine[contradicted & found])),
        num_confirmed=int(confirmed.sum()),
        num_confirmed_found=int((confirmed & found).sum()),
        area=None if area is None else round(area, 4),
        area_low=None if interval is None else round(interval[0], 4),
        area_high=None if interval is None else round(interval[1], 4),
    )


def _area(low: NDArray[np.float64], high: NDArray[np.float64]) -> float | None:
    """The share of pairs in which the first is below the second; equal ones count half."""
    if len(low) == 0 or len(high) == 0:
        return None
    ordered = np.sort(high)
    above = len(high) - np.searchsorted(ordered, low, side="right")
    not_below = len(high) - np.searchsorted(ordered, low, side="left")
    return float((above + not_below).mean() / 2 / len(high))


def _area_interval(
    scores: NDArray[np.float64],
    contradicted: NDArray[np.bool_],
    confirmed: NDArray[np.bool_],
    pictures: NDArray[np.int64],
    *,
    seed: int,
) -> tuple[float, float] | None:
    """The bootstrap interval of the area; whole pictures are drawn, as copies are no separate cases."""
    generator = np.random.default_rng(seed)
    sides = []
    for chosen in (contradicted, confirmed):
        groups = np.unique(pictures[chosen])
        if len(groups) < 2:
            return None
        sides.append([scores[chosen & (pictures == group)] for group in groups])
    areas = []
    for _ in range(_RESAMPLES):
        low, high = (
            np.concatenate([groups[index] for index in generator.integers(0, len(groups), len(groups))])
            for groups in sides
        )
        areas.append(_area(low, high) or 0.0)
    lower, upper = np.percentile(areas, _PERCENTILES)
    return float(lower), float(upper)
