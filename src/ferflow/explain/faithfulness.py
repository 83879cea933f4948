"""Whether heatmaps show what the network goes by: figures, by NumPy alone.

Deletion (Petsiuk et al. 2018, arXiv:1806.07421): what is hot is covered, and the answer should suffer
more than where what is cold is covered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferflow.explain.heatmap import Faces, Heat, Run, heatmaps
from ferflow.labels import IMAGE_SIZE

# Of the area of a face that is covered.
COVERED = 0.25
# Pixels of each side that count as border; the rest is the central area.
BORDER = 6
CENTRAL_AREA = (1 - 2 * BORDER / IMAGE_SIZE) ** 2


@dataclass(frozen=True)
class Faithfulness:
    """Means over faces.

    Attributes:
        num_images: Number of the faces.
        drop_hottest: By how much the probability of the answer falls when the hottest quarter of the
            face is covered with the face's mean grey.
        drop_random: The same for a quarter drawn pixel by pixel.
        drop_coldest: The same for the coldest quarter.
        central_heat: Share of the heat inside the central area, of the faces that have any.
        central_peaks: Share of these faces whose hottest place is in the central area.
        central_area: Share of the face that this area is: what even heat would give.
    """

    num_images: int
    drop_hottest: float
    drop_random: float
    drop_coldest: float
    central_heat: float
    central_peaks: float
    central_area: float = CENTRAL_AREA


def measure(run: Run, faces: Faces, *, seed: int = 0) -> Faithfulness:
    """Measure the heatmaps of the network's own answers.

    Args:
        run: The network; see `ferflow.explain.heatmap`.
        faces: (N, 48, 48) uint8, N at least 1.
        seed: The seed of the random quarter, and of the order among places that are equally hot.
    """
    probabilities = run.answers(faces)
    answers = probabilities.argmax(axis=1)
    heat = heatmaps(run, faces, answers)
    random = np.random.default_rng(seed)
    noise = random.random(heat.shape)
    before = probabilities[np.arange(len(faces)), answers]

    def drop(order: NDArray[np.float64]) -> float:
        after = run.answers(_covered(faces, order))[np.arange(len(faces)), answers]
        return float((before - after).mean())

    return Faithfulness(
        num_images=len(faces),
        drop_hottest=drop(heat + 1e-6 * noise),
        drop_random=drop(noise),
        drop_coldest=drop(-heat - 1e-6 * noise),
        central_heat=central_share(heat),
        central_peaks=central_share((heat == 1).astype(np.float32)),
    )


def central_share(heat: Heat) -> float:
    """Mean share of the heat, (N, 48, 48), that lies in the central area; NaN where no face has heat."""
    inner = slice(BORDER, IMAGE_SIZE - BORDER)
    total = heat.sum(axis=(1, 2), dtype=np.float64)
    central = heat[:, inner, inner].sum(axis=(1, 2), dtype=np.float64)
    has_heat = total > 0
    return float((central[has_heat] / total[has_heat]).mean()) if has_heat.any() else float("nan")


def _covered(faces: Faces, order: NDArray[np.float64]) -> Faces:
    """The faces with the quarter that is highest in `order` set to each face's mean grey."""
    flat = order.reshape(len(faces), -1)
    num_covered = round(COVERED * flat.shape[1])
    chosen = np.argpartition(-flat, num_covered - 1, axis=1)[:, :num_covered]
    covered = faces.reshape(len(faces), -1).copy()
    means = np.rint(covered.mean(axis=1, keepdims=True)).astype(np.uint8)
    np.put_along_axis(covered, chosen, means, axis=1)
    return covered.reshape(faces.shape)
