"""Archives as people have them: large ones, parts of one, other kinds, and a folder around everything."""

from __future__ import annotations

import os
import zipfile

import pytest

from ferflow.data.sources.class_folder import read_class_folder
from ferflow.data.sources.inspection import inspect_source
from ferflow.data.sources.sources import read_source
from ferflow.errors import SourceError
from tests.source_files import layout, write_tar, write_zip

pytestmark = pytest.mark.usefixtures("one_decode_box")


@pytest.fixture
def bounds(sample_params):
    def bounds(path):
        return sample_params.download.model_copy(update={"source": "archive", "path": str(path)})

    return bounds


def test_a_zip64_is_read_as_any_zip(tmp_path, bounds):
    files = layout()
    with zipfile.ZipFile(tmp_path / "big.zip", "w") as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert any(
        b"\x01\x00" in info.extra[:2] for info in zipfile.ZipFile(tmp_path / "big.zip").infolist()
    ) or (zipfile.ZipFile(tmp_path / "big.zip").infolist()[0].extract_version >= zipfile.ZIP64_VERSION)
    plain = read_source(bounds(write_zip(tmp_path / "small.zip", files)), seed=1)
    large = read_source(bounds(tmp_path / "big.zip"), seed=1)
    assert large.table["file"].tolist() == plain.table["file"].tolist()
    assert large.table["sha256"].tolist() == plain.table["sha256"].tolist()


def test_folders_around_everything_do_not_matter(tmp_path, bounds):
    plain = read_source(bounds(write_zip(tmp_path / "a.zip", layout())), seed=1)
    inside = read_source(bounds(write_zip(tmp_path / "b.zip", layout("archive (1)/fer2013/"))), seed=1)
    assert inside.table["file"].tolist() == plain.table["file"].tolist()


@pytest.mark.parametrize(
    ("name", "start", "says"),
    [
        ("fer.zip", b"PK\x07\x08PK\x03\x04", "the first part of a split zip archive"),
        ("fer.zip.001", b"PK\x03\x04", "a part of a split archive"),
        ("fer.z01", b"PK\x07\x08PK\x03\x04", "the first part of a split zip archive"),
        ("fer.tar.gz.002", b"\x1f\x8b\x08\x00", "a part of a split archive"),
        ("fer.7z.001", b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        ("fer.part2.rar", b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        ("fer.r00", b"\x00\x01", "a part of a split archive"),
    ],
)
def test_what_is_not_read_is_named_with_the_way_on(tmp_path, bounds, name, start, says):
    path = tmp_path / name
    path.write_bytes(start + bytes(600))
    with pytest.raises(SourceError, match=r"(?:unpack it|join the parts)") as caught:
        read_source(bounds(path), seed=1)
    assert f"{path}: is {says}, expected a folder, zip, tar" in str(caught.value)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"\xff\xd8\xff\xe0", "a single picture, .* give the folder that holds the class folders"),
        (b"MZ\x90\x00", "a Windows program, .* unpack it"),
        (b"]\0\0\x80\0", "packed by lzma, .*unlzma"),
        (b"0707012345", "a cpio archive, .* unpack it"),
        (b"ARROW1\0\0", "an Arrow or Feather file, .* save it as Parquet or CSV"),
        (b'{"a": [1]}', "JSON, .* save it as CSV"),
    ],
)
def test_other_kinds_are_not_called_damaged_tars(tmp_path, bounds, start, says):
    path = tmp_path / "fer"
    path.write_bytes(start + bytes(600))
    with pytest.raises(SourceError, match=f"{path}: is {says}"):
        read_source(bounds(path), seed=1)


def test_a_tar_may_begin_with_any_name(tmp_path, bounds):
    path = write_tar(tmp_path / "a.tar", {f"MZ/{name}": content for name, content in layout().items()})
    assert len(read_source(bounds(path), seed=1).table) == 21


def test_tars_that_were_joined_lose_nothing_in_silence(tmp_path, bounds):
    first = write_tar(tmp_path / "a.tar", layout()).read_bytes()
    more = write_tar(tmp_path / "b.tar", {"train/sad/more.jpg": b"x"}).read_bytes()
    (tmp_path / "joined.tar").write_bytes(first + more)
    with pytest.raises(SourceError, match=r"joined.tar: more follows the end mark of the tar, .*tar -xif"):
        read_source(bounds(tmp_path / "joined.tar"), seed=1)
    (tmp_path / "padded.tar").write_bytes(first + bytes(100_000))
    assert len(read_source(bounds(tmp_path / "padded.tar"), seed=1).table) == 21


def test_a_pipe_is_not_waited_for(tmp_path, bounds):
    os.mkfifo(tmp_path / "pipe")
    for read in (
        lambda: inspect_source(tmp_path / "pipe", bounds(tmp_path), entries=[]),
        lambda: read_class_folder(tmp_path / "pipe", bounds(tmp_path), mapping={}, cut=None),
    ):
        with pytest.raises(SourceError, match="is a pipe or device, expected a file or folder; give one"):
            read()
