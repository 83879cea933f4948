"""Sources: the same pictures from every one of them; CSV parsing; Kaggle's folder is private."""

from __future__ import annotations

import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

from ferflow.data.sources.fer_csv import parse_pixels
from ferflow.data.sources.sources import SourceContent, read_source
from ferflow.data.sources.table_rows import BadRowError
from ferflow.data.store import pixel_hashes
from ferflow.errors import ParamsError, SourceError
from ferflow.params import DownloadParams, check_params
from tests.source_files import csv_rows, encoded, face, layout, write_csv, write_folder, write_tar, write_zip


@pytest.fixture
def read(sample_params):
    def read(**changes) -> SourceContent:
        return read_source(
            DownloadParams.model_validate(sample_params.download.model_dump() | changes), seed=3
        )

    return read


def test_read_source_gives_the_same_table_from_zip_tar_and_folder(tmp_path, read) -> None:
    paths = [
        write_zip(tmp_path / "a.zip", layout("fer2013/")),
        write_tar(tmp_path / "a.tar.xz", layout()),
        write_folder(tmp_path / "folder", layout("inner/")),
    ]
    tables = [read(source="archive", path=str(path)).table for path in paths]
    for table in tables:
        np.testing.assert_array_equal(table.images, tables[0].images)
        assert {name: values.tolist() for name, values in table.columns.items()} == {
            name: values.tolist() for name, values in tables[0].columns.items()
        }
    assert tables[0]["file"].tolist() == sorted(layout())


def test_read_source_hashes_pixels(tmp_path, read) -> None:
    table = read(source="archive", path=str(write_folder(tmp_path / "in", layout()))).table
    assert table["sha256"].tolist() == pixel_hashes(table.images).tolist()


def test_read_source_of_folders_by_emotion_alone_is_all_training(tmp_path, read) -> None:
    files = {
        f"mine/{label}/{name}.png": encoded(face(1), ".png") for label in ("sad", "fear") for name in "ab"
    }
    table = read(source="archive", path=str(write_folder(tmp_path / "in", files))).table
    assert table["file"].tolist() == ["fear/a.png", "fear/b.png", "sad/a.png", "sad/b.png"]
    assert set(table["usage"].tolist()) == {"Training"}


def test_read_source_of_a_csv_keeps_order_pixels_and_labels(tmp_path, read) -> None:
    table = read(source="csv", path=str(write_csv(tmp_path / "fer2013.csv", csv_rows()))).table
    np.testing.assert_array_equal(table.images, np.stack([face(number) for number in range(21)]))
    assert table["file"][:4].tolist() == [
        "train/angry/Training_row00001.jpg",
        "test/angry/PublicTest_row00002.jpg",
        "test/angry/PrivateTest_row00003.jpg",
        "train/disgust/Training_row00004.jpg",
    ]
    assert table["label"][::3].tolist() == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert table["usage"][:3].tolist() == ["Training", "PublicTest", "PrivateTest"]


def test_read_source_takes_a_csv_with_other_spelling_and_order_of_columns(tmp_path, read) -> None:
    rows = [[emotion, usage, pixels] for emotion, pixels, usage in csv_rows()]
    path = write_csv(tmp_path / "icml_face_data.csv", rows, header="emotion, Usage, pixels")
    plain = write_csv(tmp_path / "fer2013.csv", csv_rows())
    first, second = (read(source="csv", path=str(each)).table for each in (path, plain))
    assert first["sha256"].tolist() == second["sha256"].tolist()


def test_read_source_of_the_sample_follows_number_and_seed(read) -> None:
    content = read(source="sample", sample_images=140)
    assert len(content.table) > 140  # non-faces and copies come on top
    assert content.bad_images == ()
    assert content.table["sha256"].tolist() == pixel_hashes(content.table.images).tolist()


def test_read_source_of_a_csv_reads_no_endless_line_into_memory(tmp_path, read) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"7" * 40_000_000)
    tracemalloc.start()
    with pytest.raises(SourceError, match="line 1 has more than 100,000 characters"):
        read(source="csv", path=str(path), max_member_bytes=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_read_source_checks_the_file_against_its_sum(tmp_path, read) -> None:
    from ferflow.files import sha256_of

    path = write_zip(tmp_path / "a.zip", layout())
    assert len(read(source="archive", path=str(path), sha256=sha256_of(path)).table) == 21
    with pytest.raises(SourceError, match=r"a\.zip: sha256 is .* expects 00"):
        read(source="archive", path=str(path), sha256="0" * 64)


def test_params_refuse_a_sum_where_there_is_no_file(sample_values) -> None:
    sample_values["download"]["sha256"] = "0" * 64
    with pytest.raises(ParamsError, match="source sample has no file to check"):
        check_params(sample_values, origin="params.yaml")


def test_read_source_of_kaggle_reads_and_removes_a_private_folder(
    monkeypatch, capsys, tmp_path, read
) -> None:
    """kagglehub is replaced by one that fetches nothing; what is ours around it is what is tested."""
    folders = []

    def dataset_download(handle: str, *, output_dir: str) -> str:
        print("Downloading ...")  # noqa: T201
        folders.append(Path(output_dir))
        assert handle == "msambare/fer2013"
        write_folder(folders[0], layout())
        (folders[0] / ".complete").mkdir()
        return output_dir

    module = types.ModuleType("kagglehub")
    module.dataset_download = dataset_download  # type: ignore[attr-defined]
    module.exceptions = pytest.importorskip("kagglehub").exceptions  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", module)

    content = read(source="kaggle", path=None)

    assert content.table["file"].tolist() == sorted(layout())
    assert not folders[0].parent.exists()
    assert capsys.readouterr().out == ""


def test_read_source_of_kaggle_names_the_way_out_when_it_cannot_be_reached(monkeypatch, read) -> None:
    pytest.importorskip("kagglehub")
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(SourceError, match=r"msambare/fer2013 could not be fetched.*download\.source archive"):
        read(source="kaggle", path=None)


def test_read_source_of_kaggle_without_kagglehub_says_what_to_install(monkeypatch, read) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(SourceError, match=r"ferflow\[kaggle\]"):
        read(source="kaggle", path=None)


def test_parse_pixels_reads_one_two_and_three_digits() -> None:
    values = np.resize(np.arange(256), 48 * 48)
    parsed = parse_pixels(" ".join(map(str, values)))
    np.testing.assert_array_equal(parsed.ravel(), values)
    assert parsed.dtype == np.uint8


@pytest.mark.parametrize(
    "odd", ["-1", "1:", "a", "1.5", "abc", "1e2", "", "0256", "999", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_parse_pixels_refuses_other_numbers(odd) -> None:
    numbers = ["7"] * 2304
    numbers[1000] = odd
    with pytest.raises(BadRowError, match="pixel"):
        parse_pixels(" ".join(numbers))
