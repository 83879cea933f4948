"""Stage download: every source to one table, every bad input to one readable error."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferflow.data.store import ImageTable
from ferflow.errors import DataError, FerflowError, OutputError
from ferflow.labels import CSV_EMOTIONS
from ferflow.params import DownloadParams, Params
from ferflow.stages import download
from tests.bad_inputs import BAD_INPUTS, BadInput
from tests.conftest import TABLE_1
from tests.full_disk import file_size_limit
from tests.source_files import layout, write_csv, write_folder, write_zip


def run(sample_params: Params, folder: Path, **changes: Any) -> download.DownloadReport:
    params = DownloadParams.model_validate(sample_params.download.model_dump() | changes)
    return download.run(
        params, seed=7, output_dir=folder / "out" / "raw", report_path=folder / "out" / "download.json"
    )


def read_table(folder: Path) -> ImageTable:
    raw = folder / "out" / "raw"
    return ImageTable.read(raw / "images.npz", raw / "index.csv")


@pytest.mark.parametrize("bad_input", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_download_refuses_bad_input_with_a_readable_error(
    bad_input: BadInput, tmp_path, sample_params
) -> None:
    changes = bad_input.build(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(FerflowError) as caught:
        run(sample_params, tmp_path, **changes)

    message = str(caught.value)
    assert issubclass(caught.type, bad_input.error), message
    missing = [part for part in bad_input.says if part not in message]
    assert not missing, message
    assert message.isprintable() or message.replace("\n", "").isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_download_writes_table_and_report(tmp_path, sample_params, capsys) -> None:
    report = run(sample_params, tmp_path, source="archive", path=str(write_folder(tmp_path / "in", layout())))

    table = read_table(tmp_path)
    assert table["file"].tolist() == sorted(layout())
    assert report.images["sad"] == {"Training": 1, "PublicTest": 1, "PrivateTest": 1}
    assert sorted(path.name for path in (tmp_path / "out" / "raw").iterdir()) == ["images.npz", "index.csv"]
    written = json.loads((tmp_path / "out" / "download.json").read_text(encoding="utf-8"))
    assert written["num_images"] == 21
    line = "read 21 images (archive): Training 7, PublicTest 7, PrivateTest 7; detector haar"
    assert line in capsys.readouterr().err
    assert written["bad_images"] == []
    assert (written["detector"], written["detector_sha256"]) == ("haar", None)


def test_download_writes_the_same_bytes_twice(tmp_path, sample_params) -> None:
    archive = write_zip(tmp_path / "in.zip", layout())
    written = []
    for name in ("first", "second"):
        run(sample_params, tmp_path / name, source="archive", path=str(archive))
        out = tmp_path / name / "out"
        written.append({path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert written[0] == written[1]
    assert len(written[0]) == 3


def test_download_lists_bad_images_below_the_bound(tmp_path, sample_params) -> None:
    files = layout(per_folder=2) | {"train/sad/Training_odd.jpg": b""}
    path = write_folder(tmp_path / "in", files)

    report = run(sample_params, tmp_path, source="archive", path=str(path), max_bad_share=0.03)

    assert [bad.name for bad in report.bad_images] == ["train/sad/Training_odd.jpg"]
    assert report.num_images == 42
    written = json.loads((tmp_path / "out" / "download.json").read_text(encoding="utf-8"))
    assert written["bad_images"] == [
        {"name": "train/sad/Training_odd.jpg", "reason": "empty (0 bytes); take another copy of it"}
    ]
    with pytest.raises(DataError, match="1 of 43 images"):
        run(sample_params, tmp_path, source="archive", path=str(path), max_bad_share=0.02)


def test_download_keeps_non_utf8_names_as_escapes(tmp_path, sample_params) -> None:
    changes = BAD_INPUTS["non-UTF-8 name"].build(tmp_path)
    odd = next(path for path in (tmp_path / "data").rglob("caf*"))
    odd.write_bytes(next(iter(layout().values())))

    run(sample_params, tmp_path, **changes)

    assert "train/angry/caf\\xe9.jpg" in read_table(tmp_path)["file"].tolist()


def test_download_leaves_the_old_result_when_the_disk_is_full(tmp_path, sample_params) -> None:
    archive = str(write_zip(tmp_path / "in.zip", layout()))
    run(sample_params, tmp_path, source="archive", path=archive)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    with file_size_limit(20_000), pytest.raises(OutputError, match=r"images.*cannot be written"):
        run(sample_params, tmp_path, source="archive", path=archive)

    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert after == before


def test_download_names_an_output_that_cannot_be_written(tmp_path, sample_params) -> None:
    (tmp_path / "out").write_bytes(b"a file where the folder should be")
    with pytest.raises(OutputError, match=r"out/raw: cannot be written"):
        run(sample_params, tmp_path, source="archive", path=str(write_zip(tmp_path / "in.zip", layout())))


def test_data_digest_depends_on_pictures_and_not_on_names_or_order(tmp_path, sample_params) -> None:
    files = layout()
    renamed = dict(zip(files, reversed(files.values()), strict=True))
    changed = files | {"train/sad/Training_more.jpg": files["train/sad/Training_150.jpg"]}
    digests = [
        run(
            sample_params,
            tmp_path / str(number),
            source="archive",
            path=str(write_folder(tmp_path / f"in{number}", content)),
        )
        for number, content in enumerate((files, renamed, changed))
    ]
    assert digests[0].data_sha256 == digests[1].data_sha256
    assert digests[0].data_sha256 != digests[2].data_sha256


@pytest.mark.real_data
def test_download_of_fer2013_gives_table_1(shared: Path, tmp_path, sample_params) -> None:
    report = run(
        sample_params,
        tmp_path,
        source="archive",
        path=str(shared / "data" / "fer2013.tar.xz"),
        detector=str(shared / "models" / "face_detection_yunet_2026may.onnx"),
    )

    found = {
        emotion: (counts["Training"], counts["PublicTest"] + counts["PrivateTest"])
        for emotion, counts in report.images.items()
    }
    assert found == {emotion: TABLE_1[emotion] for emotion in found}
    assert report.bad_images == ()
    assert report.data_sha256 == "5f96949adc4b0ecebc666d82f254fd0c84d371cedf019f1f41f5895cca705023"
    table = read_table(tmp_path)
    training = set(table["sha256"][table["usage"] == "Training"].tolist())
    tested = table["sha256"][table["usage"] != "Training"].tolist()
    assert sum(value in training for value in tested) == 568
    assert (tmp_path / "out" / "raw" / "detector.onnx").stat().st_size == 229_738


@pytest.fixture(scope="module")
def fer2013_files(shared) -> dict[str, bytes]:
    """The files of the archive."""
    with tarfile.open(shared / "data" / "fer2013.tar.xz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "folder", "csv"])
def test_fer2013_in_another_wrapping_is_the_same_data(kind, request, tmp_path, sample_params) -> None:
    if kind == "csv":
        table = request.getfixturevalue("fer2013")
        rows = np.random.default_rng(1).permutation(len(table))
        path = _write_fer2013_csv(tmp_path / "fer2013.csv", table.take(rows))
        changes = {"source": "csv", "path": str(path)}
    else:
        write = write_zip if kind == "zip" else write_folder
        path = write(tmp_path / f"fer2013.{kind}", request.getfixturevalue("fer2013_files"))
        changes = {"source": "archive", "path": str(path)}

    report = run(sample_params, tmp_path, **changes)

    assert report.data_sha256 == "5f96949adc4b0ecebc666d82f254fd0c84d371cedf019f1f41f5895cca705023"
    totals = {emotion: sum(counts.values()) for emotion, counts in report.images.items()}
    assert totals == {emotion: sum(TABLE_1[emotion]) for emotion in totals}


def _write_fer2013_csv(path: Path, table: ImageTable) -> Path:
    numbers = np.array([f"{number} ".encode() for number in range(256)])  # Four bytes each, zeros at the end.
    codes = [str(CSV_EMOTIONS.index(label)) for label in table["label"].tolist()]
    pixels = [numbers[image].tobytes().replace(b"\0", b"").decode().rstrip() for image in table.images]
    return write_csv(path, [list(row) for row in zip(codes, pixels, table["usage"].tolist(), strict=True)])
