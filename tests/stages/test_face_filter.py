"""Stage face-filter on a few drawn images: what it keeps, what it writes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import PCG64, Generator

from ferflow.data.drawn.clutter import draw_clutter
from ferflow.data.drawn.drawing import draw_face
from ferflow.data.drawn.expressions import random_expression
from ferflow.data.drawn.face_traits import random_identity, random_view
from ferflow.data.store import ImageTable, pixel_hashes, read_csv
from ferflow.errors import DataError, DetectorError
from ferflow.labels import IMAGE_SIZE
from ferflow.model import paper
from ferflow.params import FaceFilterParams, Params
from ferflow.stages.face_filter import check_losses, compare_with_paper, count_subsets, run

YUNET = Path("models/face_detection_yunet_2026may.onnx")
NUM_FACES, NUM_CLUTTER = 12, 2


def make_table(images: np.ndarray, labels: list[str], usages: list[str]) -> ImageTable:
    columns = {
        "file": np.array([f"image_{number:03d}.jpg" for number in range(len(images))]),
        "label": np.array(labels, dtype=np.str_),
        "usage": np.array(usages, dtype=np.str_),
        "sha256": pixel_hashes(images),
    }
    return ImageTable(images, columns)


@pytest.fixture(scope="module")
def table() -> ImageTable:
    """12 faces, 2 images without one, a constant one; happy and sad, two usages."""
    generator = Generator(PCG64(11))
    faces = [
        draw_face(
            generator,
            random_identity(generator),
            random_expression(generator, "happy" if number % 2 else "sad"),
            random_view(generator),
        )
        for number in range(NUM_FACES)
    ]
    clutter = [draw_clutter(generator, number) for number in range(NUM_CLUTTER)]
    images = np.stack([*faces, *clutter, np.full((IMAGE_SIZE, IMAGE_SIZE), 7, np.uint8)])
    labels = ["happy" if number % 2 else "sad" for number in range(len(images))]
    usages = ["Training" if number % 3 else "PublicTest" for number in range(len(images))]
    return make_table(images, labels, usages)


@pytest.fixture
def filter_params(sample_params: Params) -> FaceFilterParams:
    return sample_params.face_filter


@pytest.fixture
def folders(tmp_path: Path, table: ImageTable) -> dict[str, Path]:
    """The stage's folders, with `table` as what the download stage left."""
    raw_dir = tmp_path / "raw"
    table.write(raw_dir / "images.npz", raw_dir / "index.csv")
    return {"raw_dir": raw_dir, "output_dir": tmp_path / "filtered", "reports_dir": tmp_path / "reports"}


def contents(folders: dict[str, Path]) -> dict[str, bytes]:
    """Name to bytes of all that the stage wrote."""
    written = [folders["output_dir"], folders["reports_dir"]]
    return {path.name: path.read_bytes() for folder in written for path in sorted(folder.glob("*"))}


def test_run_keeps_faces_and_drops_the_rest(
    filter_params: FaceFilterParams, folders: dict[str, Path], table: ImageTable
) -> None:
    report = run(filter_params, **folders)

    faces = ImageTable.read(folders["output_dir"] / "faces.npz", folders["output_dir"] / "index.csv")
    np.testing.assert_array_equal(faces.images, table.images[:NUM_FACES])
    assert faces["file"].tolist() == table["file"][:NUM_FACES].tolist()
    assert faces["face_score"].astype(float).min() >= filter_params.min_score

    dropped = read_csv(folders["output_dir"] / "dropped.csv", ("file", "label", "usage", "score", "reason"))
    assert dropped["file"].tolist() == table["file"][NUM_FACES:].tolist()
    assert dropped["reason"].tolist() == ["no face", "no face", "constant"]
    assert dropped["score"].astype(float).max() < filter_params.min_score
    assert dropped["score"][-1] == "0.0000"

    assert report.detector == "haar"
    assert report.dropped_by_reason == {"constant": 1, "no face": 2}
    assert report.subsets["all"]["all"] == {"images": 15, "kept": 12, "dropped": 3}
    assert report.subsets["PublicTest"]["sad"] == {"images": 3, "kept": 2, "dropped": 1}
    assert report.paper_test is None
    assert json.loads((folders["reports_dir"] / "face_filter.json").read_text()) == {
        "detector": "haar",
        "min_score": filter_params.min_score,
        "dropped_by_reason": report.dropped_by_reason,
        "subsets": report.subsets,
        "paper_test": None,
    }


def test_run_shows_each_dropped_image_on_the_sheet(
    filter_params: FaceFilterParams, folders: dict[str, Path]
) -> None:
    run(filter_params, **folders)
    sheet = cv2.imread(str(folders["reports_dir"] / "dropped.png"), cv2.IMREAD_GRAYSCALE)
    assert 3 * 3 * IMAGE_SIZE < sheet.shape[1] < 4 * 3 * IMAGE_SIZE
    assert np.count_nonzero(sheet == 7) >= (3 * IMAGE_SIZE) ** 2  # the constant image, enlarged


def test_run_ends_with_one_line_of_counts(
    filter_params: FaceFilterParams, folders: dict[str, Path], capsys
) -> None:
    report = run(filter_params, **folders)
    dropped = sum(report.dropped_by_reason.values())
    why = f"1 constant, {dropped - 1} no face"
    line = f"kept {15 - dropped} of 15 images, dropped {dropped} ({why}); detector haar"
    assert line in capsys.readouterr().err


def test_run_writes_the_same_bytes_again(filter_params: FaceFilterParams, folders: dict[str, Path]) -> None:
    run(filter_params, **folders)
    first = contents(folders)
    run(filter_params, **folders)
    assert contents(folders) == first
    assert sorted(first) == ["dropped.csv", "dropped.png", "face_filter.json", "faces.npz", "index.csv"]


def test_run_decides_by_min_score(filter_params: FaceFilterParams, folders: dict[str, Path]) -> None:
    every_look = filter_params.model_copy(update={"accept_score": 1.0, "max_lost_share": 0.95})
    run(every_look, **folders)
    index = read_csv(folders["output_dir"] / "index.csv", ("file", "face_score"))
    scores = index["face_score"].astype(float)
    median = float(np.sort(scores)[len(scores) // 2])
    run(every_look.model_copy(update={"min_score": median}), **folders)
    kept = read_csv(folders["output_dir"] / "index.csv", ("file",))["file"]
    assert kept.tolist() == index["file"][scores >= median].tolist()
    assert 0 < len(kept) < len(scores)


@pytest.mark.parametrize("max_lost_share", [0.0, 0.15])
def test_run_refuses_a_class_that_loses_too_much_and_writes_nothing(
    filter_params: FaceFilterParams, folders: dict[str, Path], max_lost_share: float
) -> None:
    params = filter_params.model_copy(update={"max_lost_share": max_lost_share})
    message = (
        r"class (happy|sad): no face was found in .* face_filter\.max_lost_share allows .* download\.detector"
    )
    with pytest.raises(DataError, match=message):
        run(params, **folders)
    assert not folders["output_dir"].exists()
    assert not folders["reports_dir"].exists()


def test_run_refuses_an_empty_table(filter_params: FaceFilterParams, folders: dict[str, Path]) -> None:
    empty = make_table(np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8), [], [])
    empty.write(folders["raw_dir"] / "images.npz", folders["raw_dir"] / "index.csv")
    with pytest.raises(DataError, match=r"index\.csv: lists no image; run the download stage"):
        run(filter_params, **folders)


def test_run_refuses_a_broken_detector(filter_params: FaceFilterParams, folders: dict[str, Path]) -> None:
    (folders["raw_dir"] / "detector.onnx").write_bytes(b"half a download")
    with pytest.raises(DetectorError, match=r"detector\.onnx: OpenCV cannot use it"):
        run(filter_params, **folders)
    assert not folders["output_dir"].exists()


def test_check_losses_names_the_subset_its_share_and_the_cure() -> None:
    images = np.zeros((8, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    table = make_table(images, ["happy", "sad"] * 4, ["Training"] * 4 + ["PrivateTest"] * 4)
    kept = np.array([True, True, True, True, True, True, False, False])
    check_losses(table, kept, detector="yunet", max_lost_share=0.5)
    expected = (
        r"subset PrivateTest: no face was found in 2 of its 4 images \(50\.0%\), .* allows 25\.0%; .* lower"
    )
    with pytest.raises(DataError, match=expected):
        check_losses(table, kept, detector="yunet", max_lost_share=0.25)


def test_check_losses_refuses_to_lose_a_whole_class_at_any_share() -> None:
    table = make_table(np.zeros((2, IMAGE_SIZE, IMAGE_SIZE), np.uint8), ["happy", "sad"], ["Training"] * 2)
    with pytest.raises(DataError, match="class sad: no face was found in 1 of its 1 images"):
        check_losses(table, np.array([True, False]), detector="yunet", max_lost_share=1.0)


def test_count_subsets_adds_up() -> None:
    images = np.zeros((3, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    table = make_table(images, ["happy", "sad", "sad"], ["Training", "Training", "PublicTest"])
    counts = count_subsets(table, np.array([True, False, True]))
    assert counts["Training"]["all"] == {"images": 2, "kept": 1, "dropped": 1}
    assert counts["all"]["sad"] == {"images": 2, "kept": 1, "dropped": 1}
    assert counts["PublicTest"]["happy"] == {"images": 0, "kept": 0, "dropped": 0}


def test_compare_with_paper_sets_kept_beside_it_for_data_of_its_size() -> None:
    labels = [label for label, counts in paper.DATASET.items() for _ in range(counts.test)]
    usages = ["PublicTest" if number % 2 else "PrivateTest" for number in range(len(labels))]
    images = np.zeros((len(labels), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    table = make_table(images, labels, usages)
    kept = np.ones(len(labels), np.bool_)
    kept[:5] = False
    compared = compare_with_paper(table, kept)
    assert compared["angry"] == {"kept": 953, "paper": 917}
    assert compared["all"] == {"kept": 7173, "paper": 7047}
    assert compare_with_paper(table.take(np.arange(1, len(labels))), kept[1:]) is None


@pytest.mark.real_data
@pytest.mark.slow
def test_run_filters_the_whole_data_set(
    shared: Path, fer2013: ImageTable, filter_params: FaceFilterParams, tmp_path: Path
) -> None:
    raw_dir = tmp_path / "raw"
    fer2013.write(raw_dir / "images.npz", raw_dir / "index.csv")
    (raw_dir / "detector.onnx").write_bytes((shared / YUNET).read_bytes())
    report = run(filter_params, raw_dir=raw_dir, output_dir=tmp_path / "f", reports_dir=tmp_path / "r")
    counts = report.subsets["all"]["all"]
    assert (report.detector, counts["images"]) == ("yunet", 35_887)
    assert report.dropped_by_reason["constant"] == 12
    assert 78 <= counts["dropped"] <= 200
    assert 7_047 <= report.paper_test["all"]["kept"] <= 7_178
