"""Stage split: files in, files out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from ferflow.data.store import ImageTable, pixel_hashes, read_arrays, read_csv
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS
from ferflow.stages import split
from tests.conftest import TABLE_1
from tests.data.pictures import brighten, draw_pictures

PER_CLASS = 30


@pytest.fixture(scope="module")
def table():
    """Per class 24 Training, 3 PublicTest, 3 PrivateTest images.

    PrivateTest image 29 copies Training image 0; 59 resembles Training image 30; PublicTest image 84
    copies Training image 60; Training images 90 and 120, of two classes, are the same.
    """
    images = draw_pictures(7 * PER_CLASS)
    images[29], images[59], images[84], images[120] = images[0], brighten(images[30]), images[60], images[90]
    usage = np.array((["Training"] * 24 + ["PublicTest"] * 3 + ["PrivateTest"] * 3) * 7)
    labels = np.repeat(EMOTIONS, PER_CLASS)
    files = [
        f"{label}/{place}_{row:05}.jpg" for row, (label, place) in enumerate(zip(labels, usage, strict=True))
    ]
    columns = {"file": np.array(files), "label": labels, "usage": usage, "sha256": pixel_hashes(images)}
    return ImageTable(images, columns)


@pytest.fixture
def run(tmp_path, table, sample_params):
    """Run the stage on `table`, or on another, with changed parameters."""

    def build(*, raw=table, filtered=None, seed=5, **values):
        filtered = raw if filtered is None else filtered
        for folder, images, content in (("raw", "images", raw), ("filtered", "faces", filtered)):
            (tmp_path / folder).mkdir(exist_ok=True)
            content.write(tmp_path / folder / f"{images}.npz", tmp_path / folder / "index.csv")
        values = {
            "scheme": "paper",
            "near_duplicate_distance": 12,
            "near_duplicate_correlation": 0.8,
            **values,
        }
        return split.run(
            sample_params.split.model_copy(update=values),
            seed=seed,
            raw_dir=tmp_path / "raw",
            filtered_dir=tmp_path / "filtered",
            output_dir=tmp_path / "split",
            reports_dir=tmp_path / "reports",
        )

    return build


def read_manifest(folder):
    return read_csv(
        folder / "split" / "manifest.csv", ("file", "label", "subset", "group", "leaked", "sha256")
    )


def outputs(folder):
    paths = sorted([*(folder / "split").iterdir(), folder / "reports" / "data.json"])
    return {path.name: path.read_bytes() for path in paths}


def test_split_writes_the_images_of_each_subset_in_manifest_order(run, tmp_path, table):
    run(filtered=table.take(np.arange(len(table)) != 7))
    manifest = read_manifest(tmp_path)
    assert manifest["file"].tolist() == np.delete(table["file"], 7).tolist()
    for name in ("train", "val", "test"):
        arrays = read_arrays(tmp_path / "split" / f"{name}.npz", ("images", "labels"))
        rows = manifest["subset"] == name
        assert pixel_hashes(arrays["images"]).tolist() == manifest["sha256"][rows].tolist()
        assert np.array(EMOTIONS)[arrays["labels"]].tolist() == manifest["label"][rows].tolist()
        assert arrays["labels"].dtype == np.uint8


def test_split_marks_leaked_test_images(run, tmp_path, table):
    report = run(scheme="paper")
    manifest = read_manifest(tmp_path)
    leaked = {
        file: value
        for file, value in zip(manifest["file"], manifest["leaked"], strict=True)
        if value != "none"
    }
    assert leaked == {table["file"][29]: "exact", table["file"][59]: "near", table["file"][84]: "exact"}
    test = manifest["subset"] == "test"
    flags = read_arrays(tmp_path / "split" / "test.npz", ("leaked",))["leaked"]
    assert flags.dtype == np.bool_
    assert flags.tolist() == (manifest["leaked"][test] != "none").tolist()
    assert report.leaks["subsets"]["test"] == {"images": 42, "exact": 2, "near": 1}


def test_split_kaggle_marks_validation_images_too(run):
    report = run(scheme="kaggle")
    assert report.leaks["subsets"] == {
        "val": {"images": 21, "exact": 1, "near": 0},
        "test": {"images": 21, "exact": 1, "near": 1},
    }


def test_split_reports_before_and_after_the_face_filter(run, tmp_path, table):
    report = run(filtered=table.take(~np.isin(np.arange(len(table)), [29, 90])))
    before, after = (report.leaks[when]["test_in_training"] for when in ("before_filter", "after_filter"))
    assert before["all"] == {"images": 42, "exact": 2, "near": 1}
    assert before["PrivateTest"] == {"images": 21, "exact": 1, "near": 1}
    assert after["all"] == {"images": 41, "exact": 1, "near": 1}
    assert report.duplicates["before_filter"] == {
        "exact": {"groups": 3, "images": 6, "straddling_groups": 2},
        "near": {"groups": 1, "images": 2, "straddling_groups": 1},
    }
    assert report.duplicates["after_filter"]["exact"]["groups"] == 1
    assert report.contradictory["before_filter"] == {"groups": 1, "images": 2}
    assert report.contradictory["after_filter"] == {"groups": 0, "images": 0}
    assert report.table_1["before_filter"]["angry"] == {"train": 24, "test": 6, "total": 30}
    assert report.table_1["after_filter"]["angry"] == {"train": 24, "test": 5, "total": 29}
    assert json.loads((tmp_path / "reports" / "data.json").read_text()) == dataclasses.asdict(report)
    sizes = ", ".join(f"{name} {report.subsets[name]['all']}" for name in ("train", "val", "test"))
    assert report.line() == f"split by scheme paper: {sizes}; 2 test images have a copy in train or val"


def test_split_drops_what_the_options_name(run, tmp_path, table):
    report = run(contradictory="drop", leaked="drop")
    manifest = read_manifest(tmp_path)
    dropped = manifest["file"][manifest["subset"] == "dropped"]
    assert sorted(dropped) == sorted(table["file"][[29, 59, 84, 90, 120]])
    assert report.contradictory["dropped"] == 2
    assert report.subsets["dropped"]["all"] == 5
    assert report.subsets["test"]["all"] == 39
    assert not read_arrays(tmp_path / "split" / "test.npz", ("leaked",))["leaked"].any()
    assert sum(counts["all"] for counts in report.subsets.values()) == len(table)


@pytest.mark.parametrize("scheme", ["paper", "random"])
def test_split_is_the_same_for_other_row_orders_and_file_names(run, tmp_path, table, scheme):
    if scheme == "random":  # takes no published test images
        table = table.with_column("usage", ["Training"] * len(table))
    run(scheme=scheme, raw=table)
    first = read_manifest(tmp_path)
    order = np.random.default_rng(0).permutation(len(table))
    names = np.array([f"row_{row:04}" for row in range(len(table))])
    run(scheme=scheme, raw=table.take(order).with_column("file", names))
    second = read_manifest(tmp_path)
    for column in ("subset", "group", "leaked"):
        assert second[column].tolist() == first[column][order].tolist()


def test_split_twice_has_the_same_bytes(run, tmp_path):
    run()
    first = outputs(tmp_path)
    run()
    assert outputs(tmp_path) == first
    run(seed=6)
    assert outputs(tmp_path) != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "elsewhere.jpg"}, "'elsewhere.jpg' is not among the raw images"),
        ({"sha256": "0" * 64}, "has sha256 '0000"),
        ({"label": "sad"}, "has label 'sad', the raw index 'angry'"),
        ({"file": "angry/Training_00001.jpg"}, "1 file names are there twice"),
    ],
)
def test_split_refuses_filtered_images_of_another_download(run, tmp_path, table, change, message):
    run()
    before = outputs(tmp_path)
    filtered = table
    for column, value in change.items():
        filtered = filtered.with_column(column, [value, *table[column][1:]])
    with pytest.raises(DataError, match=f"{message}.*face-filter"):
        run(filtered=filtered)
    assert outputs(tmp_path) == before


def test_split_refuses_an_empty_subset_and_writes_nothing(run, tmp_path, table):
    with pytest.raises(DataError, match="subset test is empty"):
        run(filtered=table.take(table["usage"] == "Training"))
    assert not (tmp_path / "split").exists()
    assert not (tmp_path / "reports").exists()


def test_split_names_the_schemes_that_fit_before_it_looks_for_duplicates(run, tmp_path, table):
    with pytest.raises(DataError, match=r"split.scheme kaggle: needs .* PrivateTest.*use split.scheme paper"):
        run(scheme="kaggle", raw=table.take(table["usage"] != "PrivateTest"))
    assert not (tmp_path / "split").exists()


def test_split_names_a_missing_input(run, tmp_path, table, sample_params):
    run()
    (tmp_path / "filtered" / "faces.npz").unlink()
    with pytest.raises(DataError, match=r"faces\.npz: not found"):
        split.run(
            sample_params.split,
            seed=0,
            raw_dir=tmp_path / "raw",
            filtered_dir=tmp_path / "filtered",
            output_dir=tmp_path / "split",
            reports_dir=tmp_path / "reports",
        )


@pytest.fixture(scope="module")
def real_split(tmp_path_factory, fer2013, sample_params):
    """Manifest and report of scheme paper on FER-2013, of which every 50th image counts as dropped."""
    folder = tmp_path_factory.mktemp("real")
    kept = np.arange(len(fer2013)) % 50 != 0
    for name, images, content in (("raw", "images", fer2013), ("filtered", "faces", fer2013.take(kept))):
        (folder / name).mkdir()
        content.write(folder / name / f"{images}.npz", folder / name / "index.csv")
    values = {"scheme": "paper", "near_duplicate_distance": 12, "near_duplicate_correlation": 0.8}
    report = split.run(
        sample_params.split.model_copy(update=values),
        seed=sample_params.seed,
        raw_dir=folder / "raw",
        filtered_dir=folder / "filtered",
        output_dir=folder / "split",
        reports_dir=folder / "reports",
    )
    return read_manifest(folder), report


@pytest.mark.real_data
def test_split_of_fer2013_has_table_1_of_the_paper(real_split):
    _, report = real_split
    table_1 = report.table_1["before_filter"]
    assert {name: (row["train"], row["test"]) for name, row in table_1.items()} == TABLE_1


@pytest.mark.real_data
def test_split_of_fer2013_finds_the_published_leaks(real_split):
    _, report = real_split
    leaks = report.leaks["before_filter"]
    assert leaks["test_in_training"]["all"]["exact"] == 568
    assert leaks["private_test_in_rest"]["exact"] == 314
    exact = report.duplicates["before_filter"]["exact"]
    assert exact == {"groups": 1516, "images": 3369, "straddling_groups": 531}
    assert report.contradictory["before_filter"]["groups"] == 57


@pytest.mark.real_data
def test_split_of_fer2013_counts_near_duplicates_apart(real_split):
    _, report = real_split
    # Other processors may round a likeness to the other side of the threshold: a few either way.
    assert report.leaks["before_filter"]["test_in_training"]["all"]["near"] == pytest.approx(755, abs=5)
    assert report.duplicates["before_filter"]["near"]["groups"] == pytest.approx(1822, abs=5)


@pytest.mark.real_data
def test_split_of_fer2013_keeps_groups_whole_and_shares_right(real_split):
    manifest, _ = real_split
    training = np.isin(manifest["subset"], ("train", "val"))
    sides = set(zip(manifest["group"][training], manifest["subset"][training], strict=True))
    assert len(sides) == len(np.unique(manifest["group"][training]))
    for label in EMOTIONS:
        subset = manifest["subset"][training & (manifest["label"] == label)]
        assert (subset == "val").mean() == pytest.approx(0.1, abs=0.01)
