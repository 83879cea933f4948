"""A scored test subset of seeded noise around the labels, for plots and page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model.calibration import Confidence, calibrated
from ferflow.model.metrics import confusion_matrix, score, score_classes
from ferflow.reporting.page import Results
from ferflow.reporting.plot_folder import write_plot_folder


class Scored(NamedTuple):
    """Images, what they show, what a network would say, and the figures."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float64]
    results: Results
    leaked: NDArray[np.bool_]


def make_scored(*, num_images: int = 350, seed: int = 0, classes=range(7), num_leaked: int = 40) -> Scored:
    generator = np.random.default_rng(seed)
    labels = generator.choice(list(classes), num_images).astype(np.uint8)
    weights = 0.4 + generator.gamma(2, 1.0, (num_images, 1)) * np.eye(7)[labels]
    probabilities = np.stack([generator.dirichlet(row) for row in weights]).round(6)
    images = generator.integers(0, 256, (num_images, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    leaked = np.arange(num_images) < num_leaked
    scores, leak_free = (
        score(labels[rows], probabilities[rows], confidence_level=0.95, calibration_bins=15)
        for rows in (~np.zeros(num_images, bool), ~leaked)
    )
    sure, sure_leak_free = (
        calibrated(
            labels[rows],
            probabilities[rows],
            temperature=1.25,
            thresholds={"0.8": 0.5, "0.9": None},
            calibration_bins=15,
        )
        for rows in (~np.zeros(num_images, bool), ~leaked)
    )
    counts = {"test": {name: int((labels == index).sum()) for index, name in enumerate(EMOTIONS)}}
    results = Results(
        scores=scores,
        leak_free=leak_free,
        classes=score_classes(labels, probabilities),
        matrix=confusion_matrix(labels, probabilities.argmax(axis=1)),
        counts=counts,
        num_exact=min(25, num_leaked),
        confidence=Confidence(1.25, sure, sure_leak_free),
    )
    return Scored(images, labels, probabilities, results, leaked)


@pytest.fixture(scope="session")
def scored() -> Scored:
    return make_scored()


def write_plots(folder: Path, scored: Scored, *, is_comparable: bool) -> None:
    """The pictures and tables beside a report."""
    write_plot_folder(
        folder / "plots",
        scored.results,
        images=scored.images,
        labels=scored.labels,
        probabilities=scored.probabilities,
        leaked=scored.leaked,
        calibration_bins=15,
        is_comparable=is_comparable,
    )
