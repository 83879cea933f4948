"""Tests of the comparison with the paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.reporting.comparison import (
    Origin,
    accuracy_strip,
    dataset_table,
    metrics_table,
    origin_of,
    percent,
    ranked_models,
    standing,
)


def _published(**changes):
    images = {
        name: {"Training": counts.train, "PublicTest": counts.test, "PrivateTest": 0}
        for name, counts in paper.DATASET.items()
    }
    return {"source": "archive", "images": images, **changes}


@pytest.fixture
def with_accuracy(scored):
    """The figures with another accuracy, two points either way."""

    def make(accuracy: float):
        return replace(
            scored.results.scores,
            accuracy=accuracy,
            accuracy_low=accuracy - 0.02,
            accuracy_high=accuracy + 0.02,
            num_images=7000,
        )

    return make


def test_origin_of_knows_fer2013_by_its_counts():
    assert origin_of(_published()) is Origin.FER2013


def test_origin_of_allows_a_few_unreadable_images():
    report = _published()
    report["images"]["happy"]["Training"] -= 50

    assert origin_of(report) is Origin.FER2013


def test_origin_of_other_images_is_not_comparable():
    report = _published()
    report["images"]["happy"]["Training"] -= 500

    assert origin_of(report) is Origin.OTHER
    assert not Origin.OTHER.is_comparable


def test_origin_of_the_sample_is_told_even_with_the_same_counts():
    assert origin_of(_published(source="sample")) is Origin.SAMPLE
    assert not Origin.SAMPLE.is_comparable


@pytest.mark.parametrize("report", [None, {}, {"source": "archive"}])
def test_origin_of_no_report_is_unknown(report):
    assert origin_of(report) is Origin.UNKNOWN


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(0.6, "9.0 points below"), (0.75, "6.0 points above"), (0.68, "cannot be told apart")],
)
def test_standing_says_below_above_or_neither(with_accuracy, accuracy, words):
    scores = with_accuracy(accuracy)

    assert words in standing(scores, scores, confidence_level=0.95)


def test_standing_counts_the_leaked_images(with_accuracy):
    scores = with_accuracy(0.6)
    leak_free = replace(scores, num_images=6300, accuracy=0.58)
    text = standing(scores, leak_free, confidence_level=0.95)

    assert "700 of these (10.0%)" in text
    assert "without them accuracy is 58.0%" in text


def test_metrics_table_keeps_the_two_areas_apart(scored):
    scores = scored.results.scores
    rows = {row[0]: row[1:] for row in metrics_table(scores, scores).rows}

    assert rows["AUC of predicted classes (the paper's)"][0] == "81.44%"
    assert rows["AUC of predicted classes (the paper's)"][1] == percent(
        scores.auc_hard_ovr_weighted, decimals=2
    )
    assert rows["AUC of probabilities"][:2] == ["\N{EN DASH}", percent(scores.auc_ovr_weighted, decimals=2)]
    assert [
        rows[name][0] for name in ("Accuracy", "Precision, weighted", "Recall, weighted", "F1, weighted")
    ] == [
        "69.00%",
        "68.76%",
        "68.98%",
        "68.74%",
    ]


def test_dataset_table_adds_up_the_classes():
    counts = {"train": dict.fromkeys(EMOTIONS, 10), "test": dict.fromkeys(EMOTIONS, 2)}
    table = dataset_table(counts)

    assert table.rows[-1] == ["total", "28,709", "7,178", "7,047", "70", "0", "14"]


def test_ranked_models_places_a_comparable_run():
    names = [model.name for model in ranked_models(0.665, is_comparable=True)]

    assert names[:4] == ["ResNet50V2 (the paper)", "custom CNN", "this run", "Conv + Inception"]


def test_ranked_models_leaves_another_run_out_of_the_order():
    last = ranked_models(0.99, is_comparable=False)[-1]

    assert last.kind == "run"
    assert "not comparable" in last.name


@pytest.mark.parametrize("accuracy", [0.03, 0.5, 0.97])
def test_accuracy_strip_keeps_every_interval_on_its_scale(with_accuracy, accuracy):
    scores = with_accuracy(accuracy)
    strip = accuracy_strip(scores, scores, confidence_level=0.95, with_paper=True)

    assert [interval.name for interval in strip.intervals] == ["this run", "without leaks", "the paper"]
    for interval in strip.intervals:
        assert 0 <= interval.left < interval.centre < interval.left + interval.width <= 100
