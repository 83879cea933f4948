"""Parquet files, alone and in folders as on Hugging Face: the same images as from a CSV."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest

from ferflow.data.sources.class_folder import read_class_folder
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.inspection import describe, inspect_source
from ferflow.data.sources.sources import read_source
from ferflow.errors import DataError, SourceError
from ferflow.labels import CSV_EMOTIONS, USAGES
from tests.source_files import encoded, face

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NUMBERS = [number // 3 for number in range(21)]
SPLITS = [USAGES[number % 3] for number in range(21)]
FACES = [face(number) for number in range(21)]
PICTURES = [{"bytes": encoded(FACES[number], ".png"), "path": f"{number}.png"} for number in range(21)]
NAMED = {"info": {"features": {"label": {"_type": "ClassLabel", "names": list(CSV_EMOTIONS)}}}}
TABLES = {
    "text of pixels": {
        "emotion": NUMBERS,
        "pixels": [" ".join(map(str, image.ravel())) for image in FACES],
    },
    "lists": {"Emotion": NUMBERS, "pixels": [image.ravel().tolist() for image in FACES]},
    "nested lists": {"emotion": NUMBERS, "image": [image.tolist() for image in FACES]},
    "columns": {"emotion": NUMBERS}
    | {f"pixel{i}": [int(image.ravel()[i]) for image in FACES] for i in range(2304)},
    "struct": {"image": PICTURES, "label": [CSV_EMOTIONS[number] for number in NUMBERS]},
    "bytes": {"img": [picture["bytes"] for picture in PICTURES], "emotion": [float(n) for n in NUMBERS]},
}


@pytest.fixture
def bounds(sample_params):
    def bounds(path, *entries: str, **changes):
        update = {"source": "csv", "path": str(path), "map": list(entries), "max_ratio": 1000} | changes
        return sample_params.download.model_copy(update=update)

    return bounds


def write(path, columns, metadata=None):
    table = pyarrow.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=10)
    return path


def found_in(table):
    rows = zip(table.images, table["label"].tolist(), table["usage"].tolist(), strict=True)
    return [(image.tobytes(), label, usage) for image, label, usage in rows]


EXPECTED = [(face(n).tobytes(), CSV_EMOTIONS[n // 3], USAGES[n % 3]) for n in range(21)]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("file", ["fer.parquet", "no_ending"])
def test_a_file_is_read_by_download_and_evaluate_alike(name, file, tmp_path, bounds):
    path = write(tmp_path / file, TABLES[name] | {"Usage": SPLITS})

    downloaded = read_source(bounds(path), seed=1)
    scored = read_class_folder(path, bounds(path), mapping={}, cut=None)

    assert downloaded.bad_images == scored.bad_images == ()
    assert found_in(downloaded.table) == found_in(scored.table) == EXPECTED


@pytest.mark.parametrize("below", ["data/{}-00000-of-00001.parquet", "default/{}/0000.parquet", "fer-{}.pq"])
def test_a_folder_says_the_subsets_by_its_names_and_the_schema_the_labels(below, tmp_path, bounds):
    for usage, name in zip(USAGES, ("train", "validation", "test"), strict=True):
        rows = [number for number in range(21) if SPLITS[number] == usage]
        columns = {"image": [PICTURES[n] for n in rows], "label": [NUMBERS[n] for n in rows]}
        write(tmp_path / "fer" / below.format(name), columns, NAMED)
    (tmp_path / "fer" / "README.md").write_text("about")

    downloaded = read_source(bounds(tmp_path / "fer"), seed=1)
    inspection = inspect_source(tmp_path / "fer", bounds(tmp_path / "fer"), entries=())

    assert sorted(found_in(downloaded.table)) == sorted(EXPECTED)
    assert len(set(downloaded.table["file"].tolist())) == 21
    assert (inspection.source, inspection.formats, inspection.problem) == ("csv", {"PNG": 21}, "")
    assert inspection.sizes == {(48, 48): 21}
    assert "download.source=csv" in describe(inspection)


def test_numbers_without_names_need_a_map(tmp_path, bounds):
    path = write(tmp_path / "test.parquet", {"image": PICTURES, "label": NUMBERS})
    with pytest.raises(DataError, match=r"collections number the emotions differently"):
        read_source(bounds(path), seed=1)

    entries = [f"{number}={emotion}" for number, emotion in enumerate(CSV_EMOTIONS)]
    downloaded = read_source(bounds(path, *entries), seed=1)
    scored = read_class_folder(path, bounds(path), mapping=parse_map(entries), cut=None)

    assert found_in(downloaded.table) == found_in(scored.table)
    assert [(image, label) for image, label, _ in found_in(scored.table)] == [row[:2] for row in EXPECTED]
    assert set(downloaded.table["usage"].tolist()) == {"PrivateTest"}


def test_a_bad_row_is_named_and_a_test_file_holds_no_training_image(tmp_path, bounds):
    pictures = [*PICTURES[:3], {"bytes": b"\x89PNG broken", "path": "x"}, {"bytes": None, "path": "y.png"}]
    columns = {"image": pictures, "emotion": [0, 9, 2, 3, 4], "split": ["train", *["test"] * 4]}
    write(tmp_path / "d" / "test-0.parquet", columns)
    found = read_source(bounds(tmp_path / "d"), seed=1)
    assert found.table["usage"].tolist() == ["PrivateTest"]
    assert [bad.name for bad in found.bad_images] == [f"test-0.parquet row {n}" for n in (1, 2, 4, 5)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_members": 20}, "max_members"),
        ({"max_total_bytes": 20_000}, "max_total_bytes"),
        ({"max_ratio": 1}, "max_ratio"),
    ],
)
def test_bounds(change, says, tmp_path, bounds):
    lists = [np.full(2304, number % 200).tolist() for number in range(21)]
    columns = {"pixels": lists, "emotion": NUMBERS}
    path = write(tmp_path / "x.parquet", columns)
    with pytest.raises(SourceError, match=says):
        read_source(bounds(path, max_member_bytes=1000, **change), seed=1)


def test_a_value_that_many_rows_share_counts_for_each_of_them(tmp_path, bounds):
    """Otherwise a file of some kilobytes stands for gigabytes of images."""
    rows = 30_000
    pixels = pyarrow.array([" ".join(["1"] * 2304)] * rows).dictionary_encode()
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"pixels": pixels, "emotion": [3] * rows}), path)
    assert path.stat().st_size < 10_000
    with pytest.raises(SourceError, match=f"{path}: unpacks to more than 100 times its .* bytes"):
        read_source(bounds(path, max_ratio=100, max_member_bytes=1_000_000), seed=1)


def test_text_as_bytes_is_text_and_nothing_is_named_as_that(tmp_path, bounds):
    columns = dict(TABLES["text of pixels"])
    columns["emotion"] = [str(number).encode() for number in NUMBERS]
    columns["Usage"] = [usage.encode() for usage in SPLITS]
    columns["pixels"] = [None, *columns["pixels"][1:]]
    found = read_source(bounds(write(tmp_path / "x.parquet", columns)), seed=1)
    assert found_in(found.table) == EXPECTED[1:]
    assert [bad.reason for bad in found.bad_images] == ["the picture is missing (null)"]


@pytest.mark.parametrize("keep", [4, 2000, -10])
def test_damage_is_one_error(keep, tmp_path, bounds):
    path = write(tmp_path / "x.parquet", TABLES["struct"])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"not a readable Parquet file .*fetch it again"):
        read_source(bounds(path), seed=1)


def test_without_pyarrow_the_extra_is_named(tmp_path, bounds, monkeypatch):
    path = write(tmp_path / "x.parquet", TABLES["struct"])
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match=r"needs pyarrow .*pip install 'ferflow\[parquet\]'"):
        read_source(bounds(path), seed=1)


def test_some_files_without_a_subset_are_an_error(tmp_path, bounds):
    for name in ("test-0.parquet", "more.parquet"):
        write(tmp_path / "d" / name, TABLES["struct"])
    with pytest.raises(DataError, match=r"more\.parquet is not named after a subset"):
        read_source(bounds(tmp_path / "d"), seed=1)


def test_a_csv_called_test_is_no_training_table(tmp_path, bounds):
    path = tmp_path / "fer_test.csv"
    path.write_text(f"emotion,pixels\n0,{' '.join(['7'] * 2304)}\n")
    assert read_source(bounds(path), seed=1).table["usage"].tolist() == ["PrivateTest"]


def test_source_archive_names_the_source_that_reads_it(tmp_path, bounds):
    path = write(tmp_path / "x.parquet", TABLES["struct"])
    with pytest.raises(SourceError, match=r"is a Parquet table.*download\.source csv"):
        read_source(bounds(path, source="archive"), seed=1)


@pytest.mark.parametrize("label", ["feeling", "emotion"])
def test_source_parquet_takes_images_and_labels_by_the_names_of_their_columns(label, tmp_path, bounds):
    other = {"image": [{"bytes": b"thumbnail", "path": None}] * 21, "label": ["no"] * 21}
    columns = {**other, "photo": PICTURES, label: [CSV_EMOTIONS[n // 3] for n in range(21)], "split": SPLITS}
    path = write(tmp_path / "fer.parquet", columns)
    options = {"image_column": "photo", "label_column": label}
    content = read_source(bounds(path, source="parquet", **options), seed=1)
    assert found_in(content.table) == EXPECTED
    with pytest.raises(DataError, match=r"fer\.parquet: has no column 'pic'; name one that it has: image, "):
        read_source(bounds(path, source="parquet", **options | {"image_column": "pic"}), seed=1)
