"""Archives as people have them: large ones, parts of one, other kinds, and a folder around everything."""

from __future__ import annotations

import zipfile

import pytest

from ferflow.data.sources.sources import read_source
from ferflow.errors import SourceError
from tests.source_files import layout, write_zip

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
