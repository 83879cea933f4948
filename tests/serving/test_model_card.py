"""The model card: what it says of a model, and what it must say of every one."""

from __future__ import annotations

import copy

import pytest

from ferflow.errors import DataError
from ferflow.exporting.model_card import write_card
from ferflow.labels import EMOTIONS
from ferflow.serving.export_folder import Description

DESCRIPTION = Description(
    name="ferflow-resnet50v2",
    version="4",
    run_id="0123456789abcdef0123456789abcdef",
    model_sha256="ab" * 32,
    labels=EMOTIONS,
    image_size=48,
    test_time_augmentation="flip",
    temperature=1.234,
    detector="yunet",
    detector_sha256="cd" * 32,
    files={},
    checks={
        "images": 7158,
        "calibration_images": 512,
        "keras_accuracy": 0.672115,
        "float32": {"accuracy": 0.672115, "max_difference": 2.2e-06},
        "int8": {"accuracy": 0.6701, "max_difference": 0.05},
    },
)
SCORES = {
    "accuracy": 0.672115,
    "accuracy_low": 0.66115,
    "accuracy_high": 0.682895,
    "f1_macro": 0.637598,
    "auc_ovr_weighted": 0.915592,
    "ece": 0.048538,
    "num_images": 7158,
}
FIGURES = {
    **SCORES,
    "leak_free": {**SCORES, "accuracy": 0.651705, "num_images": 5837},
    "per_class": {
        emotion: {
            "precision": 0.5,
            "recall": 0.4 + index / 100,
            "f1": 0.45,
            "auc": 0.9,
            "support": 1000 + index,
        }
        for index, emotion in enumerate(EMOTIONS)
    },
}
FER2013 = {
    "angry": 4953,
    "disgust": 547,
    "fear": 5121,
    "happy": 8989,
    "neutral": 6198,
    "sad": 6077,
    "surprise": 4002,
}
REPORTS = {
    "metrics.json": FIGURES,
    "download.json": {
        "source": "archive",
        "num_images": 35887,
        "images": {name: {"Training": number} for name, number in FER2013.items()},
    },
    "train.json": {
        "backend": "keras 3.15.1 tensorflow 2.21.0",
        "num_training": 25744,
        "num_validation": 2861,
        "parameters": {"total": 2783911},
        "epochs_run": 32,
        "best_epoch": 28,
        "params": {"model": {"backbone": "resnet_v2", "weights": "/home/me/start.keras", "image_size": 48}},
    },
}
SAMPLE = {"download.json": {"source": "sample", "num_images": 1400, "images": {}}}


def _card(*, description=DESCRIPTION, figures=FIGURES, reports=REPORTS, lineage=None) -> str:
    return write_card(
        description, figures, confidence_level=0.9, reports=reports, lineage=lineage or {"git.commit": "f00"}
    )


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_a_card_holds_the_figures_with_their_intervals_and_those_without_leaks():
    card = _card()
    assert "| test images | number | accuracy | 90 % interval |" in card
    assert "| all | 7,158 | 67.2 % | 66.1 % to 68.3 % | 0.638 | 0.916 | 0.049 |" in card
    assert "| leak-free | 5,837 | 65.2 % | 66.1 % to 68.3 % |" in card
    assert "1,321 test pictures have a copy" in card
    rows = [line for line in card.splitlines() if line.startswith(tuple(f"| {name} |" for name in EMOTIONS))]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == list(EMOTIONS)
    assert rows[2] == "| fear | 0.500 | 0.420 | 0.450 | 0.900 | 1,002 |"
    assert "Its weakest class is angry: it finds 40.0 % of those faces." in card
    assert "| `model.int8.onnx` | 67.01 % | 0.05 |" in card
    assert "T = 1.234" in card


def test_a_card_says_what_it_is_and_where_it_comes_from():
    card = _card(lineage={"git.commit": "f00", "hardware": "a | b `c`\nd"})
    assert card.startswith("# ferflow-resnet50v2, version 4\n")
    assert (
        "A resnet_v2 of 2,783,911 parameters that works at 48 px, trained from weights `start.keras`." in card
    )
    assert "/home/me" not in card
    assert "FER-2013 (Goodfellow et al. 2013" in card
    assert "means over two views" in card
    assert "| run | `0123456789abcdef0123456789abcdef` |" in card
    assert "| git.commit | `f00` |" in card
    assert "| hardware | `a / b 'c' d` |" in card
    assert "drawn" not in card


def test_every_card_says_what_the_model_must_not_be_used_for():
    for reports in (REPORTS, SAMPLE, {}):
        text = _flat(_card(reports=reports))
        for part in (
            "Regulation (EU) 2024/1689",
            "**Article 5(1)(f)** prohibits",
            "**workplace and education institutions**, except where the use is intended for medical",
            "applies since 2 February 2025",
            "**Annex III, point 1(c)**",
            "**Article 50(3)**",
            "no legal advice",
            "Apache License 2.0",
        ):
            assert part in text, part


def test_a_model_of_drawn_faces_is_said_to_be_one():
    card = _flat(_card(reports=SAMPLE))
    assert "**This model was trained on drawn faces.**" in card
    assert "1,400 pictures of faces that ferflow draws itself; no person is among them." in card
    assert "FER-2013" not in card


def test_the_limits_of_fer2013_stand_where_it_was_the_data():
    assert "about 65 +- 5 % of cases" in _flat(_card())
    assert "FER-2013 has terms of its own" in _flat(_card())
    other = {"download.json": {"source": "csv", "num_images": 70, "images": {"happy": {"Training": 70}}}}
    assert "70 pictures of source `csv`, which are not FER-2013." in _card(reports=other)
    assert "65 +- 5" not in _card(reports=other)


def test_what_is_not_known_is_said_to_be_so():
    bare = Description(**{**vars(DESCRIPTION), "version": None, "run_id": None, "temperature": None})
    card = _flat(_card(description=bare, reports={}))
    assert card.startswith("# ferflow-resnet50v2, not registered")
    for part in (
        "How it was built and trained is not known here.",
        "What it was trained on is not known here.",
        "no evaluation of the model was at hand",
        "no temperature was fitted",
    ):
        assert part in card
    assert "| run |" not in card


def test_figures_that_are_not_defined_are_dashes():
    figures = copy.deepcopy(FIGURES)
    figures["leak_free"] |= {"accuracy": None, "accuracy_low": None, "accuracy_high": None, "num_images": 0}
    figures["per_class"]["disgust"] |= {"precision": None, "recall": None, "f1": None, "auc": None}
    card = _card(figures=figures)
    assert "| leak-free | 0 | \N{EN DASH} | \N{EN DASH} to \N{EN DASH} |" in card
    assert "| disgust | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | 1,001 |" in card


def test_a_figure_that_is_missing_is_an_error_that_names_it():
    figures = {name: value for name, value in FIGURES.items() if name != "f1_macro"}
    with pytest.raises(DataError, match=r"lacks 'f1_macro'.*ferflow register"):
        _card(figures=figures)


def test_the_rows_of_each_table_are_as_long_as_its_head():
    for reports in (REPORTS, SAMPLE, {}):
        width = 0
        for line in _card(reports=reports).splitlines():
            cells = line.count("|")
            assert not width or not cells or cells == width, line
            width = cells
