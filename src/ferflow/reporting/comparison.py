"""The run beside the paper: its Tables 1, 2 and 3, and a sentence that compares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.model.metrics import Scores, accuracy_interval
from ferflow.reporting.outline import Table, format_value

_SUBSETS = ("train", "val", "test")


class Interval(NamedTuple):
    """An accuracy drawn on a scale: all but the texts in percent of the scale's width."""

    name: str
    note: str
    value: str
    centre: float
    left: float
    width: float


@dataclass(frozen=True)
class AccuracyStrip:
    """Accuracies with their intervals on one scale.

    Attributes:
        ticks: (place in percent of the width, text).
        intervals: What is drawn, from top to bottom.
    """

    ticks: list[tuple[float, str]]
    intervals: list[Interval]


class RankedModel(NamedTuple):
    """A row of Table 3."""

    name: str
    accuracy: float
    kind: str  # published, paper or run


class Origin(Enum):
    """What the images are."""

    FER2013 = "FER-2013"
    SAMPLE = "the drawn sample"
    OTHER = "other images"
    UNKNOWN = "unknown images"

    @property
    def is_comparable(self) -> bool:
        """Whether the paper's figures may be shown beside this run's: not unless it may be FER-2013."""
        return self in (Origin.FER2013, Origin.UNKNOWN)


def origin_of(download_report: Mapping[str, Any] | None) -> Origin:
    """Tell from `reports/download.json` what was scored.

    FER-2013 is known by its numbers of images, give or take a hundredth for images that could not
    be read.
    """
    if download_report is None or "source" not in download_report or "images" not in download_report:
        return Origin.UNKNOWN
    if download_report["source"] == "sample":
        return Origin.SAMPLE
    for emotion, published in paper.DATASET.items():
        num_published = published.train + published.test
        num_found = sum(download_report["images"].get(emotion, {}).values())
        if abs(num_found - num_published) > num_published / 100:
            return Origin.OTHER
    return Origin.FER2013


def percent(share: float | None, *, decimals: int = 1) -> str:
    """A share as `61.2%`; an en dash where there is none."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.{decimals}f}%"


def dataset_table(counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Table 1: images of each class as published, in the paper's test set and in this run.

    Args:
        counts: Subset (train, val, test) to emotion to number of images.
    """
    columns = {
        "published train": [paper.DATASET[emotion].train for emotion in EMOTIONS],
        "published test": [paper.DATASET[emotion].test for emotion in EMOTIONS],
        "the paper's test": [paper.TEST_COUNTS[emotion] for emotion in EMOTIONS],
    }
    for subset, name in zip(_SUBSETS, ("train", "validation", "test"), strict=True):
        columns[f"this run's {name}"] = [counts.get(subset, {}).get(emotion, 0) for emotion in EMOTIONS]
    totals = [sum(values) for values in columns.values()]
    rows = [
        [name, *[format_value(number) for number in numbers]]
        for name, *numbers in [*zip(EMOTIONS, *columns.values(), strict=True), ("total", *totals)]
    ]
    return Table("Images of each class", ["class", *columns], rows)


def metrics_table(scores: Scores, leak_free: Scores) -> Table:
    """Table 2: the paper's metrics and this run's, with the two areas named apart."""
    published = {
        "accuracy": paper.ACCURACY,
        "precision_weighted": paper.PRECISION,
        "recall_weighted": paper.RECALL,
        "f1_weighted": paper.F1,
        "auc_hard_ovr_weighted": paper.AUC_HARD,
    }
    names = {
        "accuracy": "Accuracy",
        "precision_weighted": "Precision, weighted",
        "recall_weighted": "Recall, weighted",
        "f1_weighted": "F1, weighted",
        "f1_macro": "F1, macro",
        "auc_hard_ovr_weighted": "AUC of predicted classes (the paper's)",
        "auc_ovr_weighted": "AUC of probabilities",
        "ece": "Expected calibration error",
    }
    rows = []
    for key, name in names.items():
        figure = published.get(key)
        shares = (None if figure is None else figure / 100, getattr(scores, key), getattr(leak_free, key))
        rows.append([name, *[percent(share, decimals=2) for share in shares]])
    columns = ["metric", "the paper", "this run", "without leaked images"]
    return Table("Metrics", columns, rows)


def ranked_models(accuracy: float, *, is_comparable: bool) -> list[RankedModel]:
    """Table 3 by falling accuracy in percent; this run last, out of the order, where it does not compare."""
    models = [RankedModel(*model, kind="published") for model in paper.COMPARED_MODELS]
    models.append(RankedModel(*paper.PAPER_MODEL, kind="paper"))
    run = RankedModel("this run", 100 * accuracy, kind="run")
    if not is_comparable:
        return [*_by_accuracy(models), run._replace(name="this run (other images, not comparable)")]
    return _by_accuracy([*models, run])


def _by_accuracy(models: list[RankedModel]) -> list[RankedModel]:
    return sorted(models, key=lambda model: -model.accuracy)


def accuracy_strip(
    scores: Scores, leak_free: Scores, *, confidence_level: float, with_paper: bool
) -> AccuracyStrip:
    """The run's accuracies, and the paper's with the interval that its 7,047 images give."""
    entries = [("this run", f"all {scores.num_images:,} images", scores)]
    if leak_free.accuracy is not None:
        entries.append(("without leaks", f"{leak_free.num_images:,} images", leak_free))
    drawn = [
        (name, note, figures.accuracy or 0.0, figures.accuracy_low or 0.0, figures.accuracy_high or 0.0)
        for name, note, figures in entries
    ]
    if with_paper:
        num_images = sum(paper.TEST_COUNTS.values())
        share = paper.ACCURACY / 100
        low, high = accuracy_interval(
            round(share * num_images), num_images, confidence_level=confidence_level
        )
        drawn.append(("the paper", f"{num_images:,} images", share, low, high))
    first = int(10 * min(low for *_, low, _ in drawn)) * 10
    last = min(100, int(10 * max(high for *_, high in drawn)) * 10 + 10)

    def place(share: float) -> float:
        return round(100 * (100 * share - first) / (last - first), 2)

    step = 10 if last - first > 40 else 5
    ticks = [(place(tick / 100), f"{tick}%") for tick in range(first, last + 1, step)]
    intervals = [
        Interval(name, note, percent(value), place(value), place(low), round(place(high) - place(low), 2))
        for name, note, value, low, high in drawn
    ]
    return AccuracyStrip(ticks, intervals)


def standing(scores: Scores, leak_free: Scores, *, confidence_level: float) -> str:
    """One honest sentence on this run's accuracy and the paper's; for FER-2013 only."""
    low, high = scores.accuracy_low or 0.0, scores.accuracy_high or 0.0
    target = paper.ACCURACY / 100
    gap = f"{abs(100 * (scores.accuracy or 0.0) - paper.ACCURACY):.1f} points"
    interval = f"the {confidence_level:.0%} interval, {percent(low)} to {percent(high)},"
    if high < target:
        verdict = f"This run is {gap} below the paper's {paper.ACCURACY:.0f}%; {interval} does not reach it."
    elif low > target:
        verdict = f"This run is {gap} above the paper's {paper.ACCURACY:.0f}%; {interval} lies above it."
    else:
        verdict = f"This run and the paper's {paper.ACCURACY:.0f}% cannot be told apart: {interval} holds it."
    num_paper_images = sum(paper.TEST_COUNTS.values())
    verdict += f" The paper scored {num_paper_images:,} images, this run {scores.num_images:,}."
    num_leaked = scores.num_images - leak_free.num_images
    if num_leaked == 0:
        return f"{verdict} No test image has a copy among the images that trained or selected it."
    share = percent(num_leaked / scores.num_images)
    verdict += f" {num_leaked:,} of these ({share}) have a copy among the images that trained or selected it"
    if leak_free.accuracy is None:
        return f"{verdict}."
    return f"{verdict}; without them accuracy is {percent(leak_free.accuracy)}."
