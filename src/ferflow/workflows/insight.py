"""Likely label errors and hard slices, as a folder with a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferflow import paths
from ferflow.insight.page import check_in_words, worst_in_words
from ferflow.insight.report import Insight, write_insight
from ferflow.params import Params
from ferflow.workflows.running import locked

_LOCK = "insight"


@dataclass(frozen=True)
class InsightReport:
    """What was found.

    Attributes:
        found: The images, labels and slices.
        sentences: What copies say of the ranking, and the hardest slices, in words.
        page: The page that was written.
    """

    found: Insight
    sentences: tuple[str, ...]
    page: Path


def insight(
    params: Params,
    *,
    model: Path = paths.MODEL,
    output: Path = paths.REPORTS / "insight",
    folds: int | None = None,
) -> InsightReport:
    """Find labels that are likely wrong and kinds of images that the network finds hard.

    Args:
        params: Section `evaluate`; with folds also those of training.
        model: The network that was trained on the split here, a `.keras` file.
        output: The folder that is written as a whole.
        folds: Number of trainings that bring the training images out of sample; None for none.

    Raises:
        FerflowError: As of `ferflow.insight.report.write_insight`.
    """
    with locked(_LOCK):
        found = write_insight(params, root=Path(), model_path=model, output_dir=output, folds=folds)
    sentences = (check_in_words(found.near), *worst_in_words(found.slices))
    return InsightReport(found, sentences, output / "index.html")
