"""Tests of the flattening of reports."""

from __future__ import annotations

import pytest

from ferflow.errors import DataError
from ferflow.labels import EMOTIONS
from ferflow.reporting.outline import format_value, outline, read_report


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7178, "7,178"),
        (0.95314159, "0.9531"),
        (True, "yes"),
        (None, "\N{EN DASH}"),
        ([], "\N{EN DASH}"),
        ([16, 32], "16, 32"),
        ([{"name": "a.jpg", "reason": "empty"}], "a.jpg: empty"),
        (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, and 8 more"),
        ("ab" * 32, "abababababab\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_format_value_reads_like_a_person_writes(value, text):
    assert format_value(value) == text


def test_outline_joins_nested_names():
    facts = outline({"source": "sample", "seed": 20131, "parameters": {"num_frozen": 1234}}).facts

    assert facts == [("source", "sample"), ("seed", "20131"), ("parameters: number of frozen", "1,234")]


def test_outline_turns_mappings_of_mappings_into_tables():
    report = {"leaks": {"test": {"exact": 3, "near": 1}, "val": {"exact": 0}}}
    (table,) = outline(report).tables

    assert (table.title, table.columns) == ("leaks", ["", "exact", "near"])
    assert table.rows == [["test", "3", "1"], ["val", "0", "\N{EN DASH}"]]


def test_outline_lists_emotions_downwards():
    counts = {**dict.fromkeys(EMOTIONS, 2), "all": 14}
    flat, nested = outline({"images": counts, "subsets": {"train": counts, "test": counts}}).tables

    assert flat.columns == ["", "images"]
    assert nested.columns == ["", "train", "test"]
    assert [row[0] for row in flat.rows] == [row[0] for row in nested.rows] == [*EMOTIONS, "all"]


def test_outline_of_empty_parts_is_empty():
    assert outline({"dropped": {}}).facts == []
    assert outline({"dropped": {}}).tables == []


def test_read_report_of_an_absent_file_is_none(tmp_path):
    assert read_report(tmp_path / "train.json") is None


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"[1]", b""])
def test_read_report_of_a_damaged_file_names_it(tmp_path, content):
    path = tmp_path / "train.json"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"train\.json.*run the stage that writes it again"):
        read_report(path)
