"""The study of fine-tuning: what it scores is seen by nothing else, and its look is fixed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import fine_tuning
from ferflow.data.store import pixel_hashes
from ferflow.data.subsets import LabelledImages
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS
from tests.conftest import REPOSITORY


def _images(number: int, *, copies: int = 0) -> LabelledImages:
    images = np.random.default_rng(0).integers(0, 256, (number, 48, 48), np.uint8)
    labels = np.arange(number).astype(np.uint8) % len(EMOTIONS)
    rows = [*range(number), *range(copies)]
    return LabelledImages(images[rows], labels[rows])


def test_no_picture_is_in_two_parts_and_the_scored_ones_are_the_same_for_every_seed():
    images = _images(7 * 30, copies=70)
    first, second = (fine_tuning.parts_of(images, seed=seed) for seed in (0, 1))
    hashes = [
        set(pixel_hashes(part.images).tolist()) for part in (first.fitted, first.choosing, first.scored)
    ]
    assert [len(part) for part in hashes] == [7 * 16, 7 * 4, 7 * 10]
    assert len(set.union(*hashes)) == 7 * 30
    np.testing.assert_array_equal(first.scored.images, second.scored.images)
    assert not np.array_equal(first.fitted.images, second.fitted.images)
    for part in (first.fitted, first.choosing, first.scored):
        assert len(set(np.bincount(part.labels).tolist())) == 1


def test_too_few_images_of_a_class_are_an_error():
    with pytest.raises(DataError, match="20 images of class angry, expected more than 20"):
        fine_tuning.parts_of(_images(7 * 20), seed=0)


def test_the_look_is_inverted_and_turned():
    image = np.zeros((48, 48), np.uint8)
    image[:, 22:26] = 200
    changed = fine_tuning.other_look(image[np.newaxis])[0]
    assert 255 - 200 <= changed[24, 24] < 75
    assert changed[24, 4] == 255
    # A positive angle turns against the clock: the bar's upper end goes to the left, by tan 15 degrees.
    assert changed[4].argmin() == pytest.approx(23.5 - 19.5 * np.tan(np.radians(15)), abs=1)


def test_several_seeds_have_a_standard_error():
    assert fine_tuning._spread([10.0]) == ""
    # Of 10, 12 and 14 the deviation is 2, and 2 / sqrt(3) is 1.15.
    assert fine_tuning._spread([10.0, 14.0, 12.0]) == " \u00b1 1.2 (10.0 to 14.0)"


def test_the_table_of_the_page_is_that_of_the_figures():
    result = json.loads((REPOSITORY / "benchmarks" / "results" / "fine_tuning.json").read_text("utf-8"))
    page = (REPOSITORY / "docs" / "fine-tuning.md").read_text("utf-8")
    assert fine_tuning.table(result) in page
    for key in ("accuracy", "mean_recall"):
        tuned, scratch = (
            np.array([run[way][key] for run in result["runs"]]) for way in ("tuned", "from scratch")
        )
        assert tuned.min() > max(scratch.max(), result["not tuned"]["other look"][key])
