"""Tables as people have them, read by the stage download and by evaluate --data alike."""

from __future__ import annotations

import gzip

import pytest

from ferflow.data.sources.class_folder import read_class_folder
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.sources import read_source
from ferflow.errors import FerflowError, SourceError
from ferflow.labels import CSV_EMOTIONS, USAGES
from tests.data.tables import TABLES, UNREADABLE_TABLES, text
from tests.source_files import csv_rows, face


@pytest.fixture
def bounds(sample_params):
    def bounds(path, *entries: str, **changes):
        update = {"source": "csv", "path": str(path), "map": list(entries)} | changes
        return sample_params.download.model_copy(update=update)

    return bounds


def found_in(table) -> list[tuple[bytes, str, str]]:
    rows = zip(table.images, table["label"].tolist(), table["usage"].tolist(), strict=True)
    return [(image.tobytes(), label, usage) for image, label, usage in rows]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_rightly_and_alike(name, tmp_path, bounds):
    written = TABLES[name]
    path = tmp_path / written.name
    path.write_bytes(written.content())
    params = bounds(path, *written.map)
    expected = [
        (face(row).tobytes(), CSV_EMOTIONS[row // 3], USAGES[row % 3] if written.has_usage else "Training")
        for row in range(len(csv_rows()))
    ]

    downloaded = read_source(params, seed=1)
    scored = read_class_folder(path, params, mapping=parse_map(written.map), cut=None)

    assert downloaded.bad_images == scored.bad_images == ()
    assert found_in(downloaded.table) == found_in(scored.table) == expected
    assert bool(downloaded.layout.remarks) != written.has_usage


@pytest.mark.parametrize("name", UNREADABLE_TABLES)
def test_what_cannot_be_read_is_one_error(name, tmp_path, bounds):
    file, content, says = UNREADABLE_TABLES[name]
    path = tmp_path / file
    path.write_bytes(content())

    with pytest.raises(FerflowError) as caught:
        read_source(bounds(path), seed=1)

    assert str(caught.value).startswith(str(path))
    assert not [part for part in says if part not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize("label", ["9" * 5000, "7." + "0" * 5000, "3" * 101])
def test_a_label_of_thousands_of_digits_is_one_bad_row(label, tmp_path, bounds):
    (tmp_path / "x.csv").write_bytes(text([[label, *csv_rows()[0][1:]], *csv_rows()[1:]]))
    found = read_source(bounds(tmp_path / "x.csv"), seed=1)
    assert [bad.name for bad in found.bad_images] == ["row 1"]
    assert "expected 0 to 6" in found.bad_images[0].reason
    assert len(found.table) == 20


def test_a_table_given_as_an_archive_is_named_with_the_source_that_reads_it(tmp_path, bounds):
    (tmp_path / "fer2013.csv").write_bytes(text())
    params = bounds(tmp_path / "fer2013.csv").model_copy(update={"source": "archive"})
    with pytest.raises(
        SourceError, match=r"is a table, expected an archive or folder; use download.source csv"
    ):
        read_source(params, seed=1)


def test_a_label_can_be_left_out_and_a_usage_too(tmp_path, bounds):
    path = tmp_path / "x.csv"
    path.write_bytes(TABLES["names"].content())
    content = read_source(bounds(path, "sad=", "PublicTest="), seed=1)

    assert set(content.table["label"].tolist()) == set(CSV_EMOTIONS) - {"sad"}
    assert set(content.table["usage"].tolist()) == {"Training", "PrivateTest"}
    assert len(content.layout.left_out) == 9


def test_a_map_of_a_label_that_is_not_there_is_named(tmp_path, bounds):
    path = tmp_path / "x.csv"
    path.write_bytes(TABLES["names"].content())
    with pytest.raises(SourceError, match=r"download\.map names bored, but the table has angry"):
        read_source(bounds(path, "bored="), seed=1)


@pytest.mark.parametrize(
    ("content", "changes", "says"),
    [
        (b"emotion,pixels,Usage\n" + b"0,1,x\n" * 90_000, {"max_member_bytes": 100_000}, "max_ratio"),
        (b"emotion,pixels,Usage\n" + b"\n" * 5_000, {"max_members": 1_000}, "max_members"),
        (b"emotion,pixels,Usage\n" + b"0,1,x\n" * 50_000, {"max_total_bytes": 50_000}, "max_total_bytes"),
    ],
)
def test_a_packed_table_stays_inside_the_bounds(tmp_path, bounds, content, changes, says):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(SourceError, match=says):
        read_source(bounds(path, **changes), seed=1)
