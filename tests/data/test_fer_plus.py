"""The votes of FER+ beside the images: read, carried through the split, scored against, trained on.

Microsoft's own file is not at hand; these are written with its published columns.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

import numpy as np
import pytest

from ferflow.data.fer_plus import CHOICES, majority, majority_labels, read_votes, soft_labels
from ferflow.data.sources.sources import read_source
from ferflow.data.store import ImageTable, pixel_hashes, read_arrays
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.errors import DataError, ParamsError, SourceError
from ferflow.labels import EMOTIONS
from ferflow.model.second_yardstick import score_votes
from ferflow.params import check_params
from ferflow.stages import split
from ferflow.tracking.outbox.figures import test_metrics as metrics_of
from tests.source_files import csv_rows, write_csv

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def votes(**counts: int) -> list[int]:
    return [counts.get(choice, 0) for choice in CHOICES]


def own_votes(row: list[str]) -> list[int]:
    """Ten votes that tell the row apart from its neighbours."""
    number = int(row[0])
    return votes(**{CHOICES[number]: 7, CHOICES[(number + 1) % 8]: 3})


def write_votes(path, rows, header: str = HEADER):
    lines = [
        ",".join([usage, f"fer{number:07d}.png", *map(str, cells)])
        for number, (usage, cells) in enumerate(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path, sample_params):
    """A table and its votes, and the parameters that read both."""

    def build(rows, voted, header: str = HEADER):
        table = write_csv(tmp_path / "fer2013.csv", rows)
        path = write_votes(tmp_path / "fer2013new.csv", voted, header)
        update = {"source": "csv", "path": str(table), "votes": str(path)}
        return sample_params.download.model_copy(update=update)

    return build


def test_each_image_gets_the_votes_of_its_row_whatever_lies_between(source):
    rows = csv_rows()
    voted = [(row[2], own_votes(row)) for row in rows]
    rows[4][1] = "1 2 3"  # A row that cannot be used does not shift the others.
    found = read_source(source(rows, voted), seed=1)
    expected = [" ".join(map(str, cells)) for number, (_, cells) in enumerate(voted) if number != 4]
    assert len(found.bad_images) == 1
    assert found.table["votes"].tolist() == expected


def test_without_the_key_there_is_no_column(source):
    rows = csv_rows()
    params = source(rows, []).model_copy(update={"votes": None})
    assert "votes" not in read_source(params, seed=1).table.columns


@pytest.mark.parametrize(
    ("change", "header", "says"),
    [
        (lambda rows: rows[:-1], HEADER, r"has 20 rows, but .*fer2013\.csv has 21; a row of votes"),
        (
            lambda rows: [rows[1], rows[0], *rows[2:]],
            HEADER,
            r"row 1 .*'PublicTest'.*'Training'.*not in the same",
        ),
        (
            lambda rows: rows,
            HEADER.replace("contempt", "scorn"),
            r"lacks the columns contempt \(found: usage",
        ),
        (lambda rows: [("Training", ["x"] * 10), *rows[1:]], HEADER, r"row 1 has 'x' in the column neutral"),
        (
            lambda rows: [("Training", ["9" * 400] * 10), *rows[1:]],
            HEADER,
            r"row 1 has '9{20}' in the column",
        ),
        (lambda rows: [("Training", [1] * 9), *rows[1:]], HEADER, r"row 1 is too short or too long.*FER\+'s"),
        (lambda rows: rows, "", r"lacks the columns|not a readable CSV"),
    ],
)
def test_votes_of_other_rows_are_one_error(source, change, header, says):
    rows = csv_rows()
    params = source(rows, change([(row[2], own_votes(row)) for row in rows]), header)
    with pytest.raises(SourceError, match=says) as caught:
        read_source(params, seed=1)
    assert "download.votes" in str(caught.value)


def test_votes_that_are_not_there_name_the_key(source, tmp_path):
    params = source(csv_rows(), []).model_copy(update={"votes": str(tmp_path / "none.csv")})
    with pytest.raises(SourceError, match=r"download\.votes: .*none\.csv: not found; expected FER\+'s"):
        read_source(params, seed=1)


def test_votes_need_a_table(sample_values):
    sample_values["download"]["votes"] = "fer2013new.csv"
    with pytest.raises(ParamsError, match=r"download\.votes is 'fer2013new\.csv', .*source sample has none"):
        check_params(sample_values, origin="params.yaml")


@pytest.mark.parametrize(
    ("cells", "chosen"),
    [
        (votes(happy=10), "happy"),
        (votes(happy=6, sad=4), "happy"),
        (votes(happy=5, sad=5), "unknown"),  # More than half is a majority, half is none.
        (votes(happy=5, sad=4, fear=1), "happy"),  # A single vote is an outlier and counts in no sum.
        (votes(happy=4, sad=3, fear=3), "unknown"),
        (votes(contempt=8, angry=2), "contempt"),
        (votes(not_a_face=10), "not_a_face"),
        (votes(unknown=7, sad=3), "unknown"),
        (votes(**dict.fromkeys(CHOICES, 1)), "unknown"),
    ],
)
def test_majority(cells, chosen):
    assert CHOICES[majority(np.array([cells], np.uint8))[0]] == chosen


def test_soft_labels_are_shares_of_the_seven_and_fall_back_on_the_label():
    cells = np.array(
        [votes(happy=6, sad=2, contempt=2), votes(not_a_face=10), votes(happy=1, sad=9)], np.uint8
    )
    fear, happy, sad = (EMOTIONS.index(name) for name in ("fear", "happy", "sad"))
    shares = soft_labels(cells, np.array([fear, fear, fear]))
    assert shares.sum(axis=1).tolist() == [1, 1, 1]
    assert shares[0][[happy, sad]].tolist() == [0.75, 0.25]
    assert shares[1][fear] == 1
    assert shares[2][sad] == 1


def test_the_score_counts_images_with_a_majority_among_the_seven():
    cells = np.array(
        [
            votes(happy=10),
            votes(sad=10),
            votes(sad=10),
            votes(contempt=10),
            votes(not_a_face=10),
            votes(sad=5, fear=5),
        ],
        np.uint8,
    )
    happy, sad = EMOTIONS.index("happy"), EMOTIONS.index("sad")
    answers = np.eye(7)[[happy, sad, happy, happy, happy, sad]]
    labels = np.array([happy, happy, sad, happy, happy, sad])
    leaked = np.array([True, False, False, False, False, False])
    found = score_votes(cells, labels, answers, leaked=leaked, confidence_level=0.95)
    assert (found.accuracy, found.num_images) == (0.666667, 3)
    assert found.accuracy_low < found.accuracy < found.accuracy_high
    assert (found.leak_free.accuracy, found.leak_free.num_images) == (0.5, 2)
    assert found.label_agreement == 0.666667
    assert found.not_counted == {"contempt": 1, "unknown": 1, "not_a_face": 1}
    nothing = score_votes(cells[3:], labels[3:], answers[3:], leaked=leaked[3:], confidence_level=0.95)
    assert (nothing.accuracy, nothing.label_agreement, nothing.num_images) == (None, None, 0)


def test_its_figures_are_metrics_of_the_run():
    cells = np.array([votes(happy=10), votes(sad=10)], np.uint8)
    answers = np.eye(7)[[EMOTIONS.index("happy")] * 2]
    second = score_votes(
        cells, np.array([0, 0]), answers, leaked=np.array([True, True]), confidence_level=0.95
    )
    empty = dict.fromkeys(
        ("accuracy", "accuracy_low", "accuracy_high", "f1_macro", "f1_weighted", "auc_ovr_weighted", "ece")
    )
    report = {**empty, "num_images": 2, "leak_free": {**empty, "num_images": 0}, "per_class": {}}
    report = json.loads(json.dumps({**report, "fer_plus": asdict(second)}))
    metrics = metrics_of(report)
    assert (metrics["fer_plus_accuracy"], metrics["fer_plus_images"]) == (0.5, 2.0)
    assert "fer_plus_leak_free_accuracy" not in metrics  # Not defined.
    del report["fer_plus"]
    assert not [name for name in metrics_of(report) if name.startswith("fer_plus")]


def _table():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (7 * 12, 48, 48), dtype=np.uint8)
    usage = np.array((["Training"] * 8 + ["PublicTest"] * 2 + ["PrivateTest"] * 2) * 7)
    labels = np.repeat(EMOTIONS, 12)
    cells = rng.integers(0, 10, (len(images), 10))
    columns = {
        "file": np.array([f"{label}_{row}.jpg" for row, label in enumerate(labels)]),
        "label": labels,
        "usage": usage,
        "sha256": pixel_hashes(images),
        "votes": np.array([" ".join(map(str, row)) for row in cells.tolist()]),
    }
    return ImageTable(images, columns), cells


def _split(folder, table, params):
    for name, images in (("raw", "images"), ("filtered", "faces")):
        (folder / name).mkdir()
        table.write(folder / name / f"{images}.npz", folder / name / "index.csv")
    update = {"scheme": "kaggle", "near_duplicate_distance": 0, "near_duplicate_correlation": 1.0}
    split.run(
        params.split.model_copy(update=update),
        seed=5,
        raw_dir=folder / "raw",
        filtered_dir=folder / "filtered",
        output_dir=folder / "split",
        reports_dir=folder / "reports",
    )


def test_the_split_carries_the_votes_with_their_images(tmp_path, sample_params):
    table, cells = _table()
    _split(tmp_path, table, sample_params)
    by_picture = {image.tobytes(): row.tolist() for image, row in zip(table.images, cells, strict=True)}
    num_images = 0
    for name in ("train", "val", "test"):
        subset = load_subset(tmp_path / "split" / f"{name}.npz")
        assert subset.votes is not None
        assert [by_picture[image.tobytes()] for image in subset.images] == subset.votes.tolist()
        np.testing.assert_array_equal(subset.soft_targets(), soft_labels(subset.votes, subset.labels))
        num_images += len(subset.images)
    assert num_images == len(table)


def test_without_votes_the_split_holds_none_and_training_on_them_names_the_key(tmp_path, sample_params):
    table, _ = _table()
    columns = {name: values for name, values in table.columns.items() if name != "votes"}
    _split(tmp_path, ImageTable(table.images, columns), sample_params)
    path = tmp_path / "split" / "train.npz"
    assert list(read_arrays(path, ("images",), optional=("votes", "labels"))) == ["images", "labels"]
    with pytest.raises(DataError, match=r"train\.targets: is votes.*download\.votes.*or set train\.targets"):
        load_subset(path).soft_targets()


def test_damaged_votes_in_an_index_are_named(tmp_path, sample_params):
    table, _ = _table()
    damaged = table.with_column("votes", np.array(["1 2 3", *table["votes"][1:]]))
    with pytest.raises(DataError, match=r"index\.csv: row 1 has the votes '1 2 3', expected 10 numbers; run"):
        _split(tmp_path, damaged, sample_params)


def test_the_majority_as_a_label_agrees_with_the_choices():
    cells = np.array([votes(**{choice: 10}) for choice in CHOICES], np.uint8)
    labels, others = majority_labels(cells)
    assert [EMOTIONS[label] if label >= 0 else None for label in labels] == [*CHOICES[:7], None, None, None]
    assert others == {"contempt": 1, "unknown": 1, "not_a_face": 1}


def test_a_file_as_spreadsheets_write_it_is_read(tmp_path):
    text = io.StringIO()
    csv.writer(text).writerows([HEADER.upper().split(","), ["Training", "", *map(str, votes(happy=10))]])
    path = tmp_path / "fer2013new.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    usage, found = read_votes(path)
    assert (usage.tolist(), found.tolist()) == (["Training"], [votes(happy=10)])
    assert LabelledImages(np.zeros((1, 48, 48), np.uint8), np.zeros(1, np.uint8), found).soft_targets().any()
