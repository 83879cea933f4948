"""The benchmark of `predict` on a folder: its photos, and what it makes of a way."""

from __future__ import annotations

import json
import sys

import cv2
import pytest

from benchmarks.predict_speed import measure, table, write_photos
from ferflow.errors import DataError
from tests.conftest import REPOSITORY
from tests.serving.pictures import drawn_faces

_ANSWER = """
import pathlib, sys
for path in pathlib.Path(sys.argv[1]).iterdir():
    print('{"faces": [[1, 2, 3, 4]]}')
"""


def test_photos_are_of_a_photos_size_and_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert 2 <= write_photos(drawn_faces(), tmp_path / name, 2) <= 6
    for name in ("0000.jpg", "0001.jpg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert cv2.imread(str(tmp_path / "one" / name)).shape == (960, 1280, 3)


def test_a_way_is_timed_and_its_faces_are_counted():
    result = measure(drawn_faces(), {"echo": [sys.executable, "-c", _ANSWER]}, num_photos=2, turns=1)
    figures = result["ways"]["echo"]
    assert figures["faces"] == 2
    assert 0 < figures["first_answer_seconds"] <= figures["seconds"]
    assert figures["photos_a_second"] == pytest.approx(2 / figures["seconds"])
    assert "| echo | " in table(result)


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('{\"faces\": []}')"])
def test_a_way_that_fails_or_leaves_photos_out_is_an_error(code):
    with pytest.raises(DataError, match=r"broken: exit code .* photos; run it by hand"):
        measure(drawn_faces(), {"broken": [sys.executable, "-c", code]}, num_photos=2, turns=1)


def test_the_table_of_the_page_is_that_of_the_figures():
    result = json.loads((REPOSITORY / "benchmarks" / "results" / "predict_speed.json").read_text("utf-8"))
    page = (REPOSITORY / "docs" / "predict.md").read_text("utf-8")
    rows = table(result).splitlines()[2:]
    assert len(rows) == 4
    assert "\n".join(rows) in page
    assert (result["photos"], f"{result['faces_pasted']:,} test faces" in page) == (500, True)
