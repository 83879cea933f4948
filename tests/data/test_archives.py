"""Reading members: whatever the packing the same files, nothing on disk, no more memory than asked for."""

from __future__ import annotations

import io
import lzma
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ferflow.data.archives.archives import read_members
from ferflow.data.archives.members import printable
from ferflow.errors import SourceError
from ferflow.params import DownloadParams
from tests.source_files import layout, write_folder, write_tar, write_zip

MEGABYTE = 1 << 20


@pytest.fixture
def bounds(sample_params) -> DownloadParams:
    return sample_params.download


def everything(name: str) -> bool:
    return True


def read(path: Path, bounds: DownloadParams, **changes: Any) -> dict[str, bytes]:
    members = read_members(path, bounds.model_copy(update=changes), wanted=everything)
    return {member.name: member.content for member in members}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "folder"])
def test_read_members_gives_the_same_files_from_every_packing(name, tmp_path, bounds) -> None:
    write = {".zip": write_zip, "": write_folder}.get(Path(name).suffix, write_tar)
    path = write(tmp_path / name, layout())
    before = sorted(tmp_path.rglob("*"))

    assert read(path, bounds) == layout()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_read_members_reads_long_names_of_every_tar_format(tar_format, tmp_path, bounds) -> None:
    name = "/".join(["folder" * 8, "inner" * 12, "train/angry/1.jpg"])
    with tarfile.open(tmp_path / "a.tar", "w", format=tar_format) as archive:
        for content in (b"first", b""):
            info = tarfile.TarInfo(name + str(len(content)))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read(tmp_path / "a.tar", bounds) == {f"{name}5": b"first", f"{name}0": b""}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "folder"])
def test_read_members_passes_over_what_is_not_wanted_however_large(name, tmp_path, bounds) -> None:
    files = {"weights.bin": os.urandom(5000), "train/sad/1.jpg": b"wanted"}
    write = {".zip": write_zip, "": write_folder}.get(Path(name).suffix, write_tar)
    path = write(tmp_path / name, files)

    small = bounds.model_copy(update={"max_member_bytes": 1000})
    members = read_members(path, small, wanted=lambda member: member.endswith(".jpg"))

    assert [(member.name, member.content) for member in members] == [("train/sad/1.jpg", b"wanted")]


def test_read_members_of_a_zip_reads_names_without_the_utf8_flag(tmp_path, bounds) -> None:
    path = write_zip(tmp_path / "a.zip", {"train/sad/caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg": b"x"})
    with zipfile.ZipFile(path) as archive:
        flags_at = archive.infolist()[0].header_offset + 6
    content = bytearray(path.read_bytes())
    for place in (flags_at, content.rfind(b"PK\x01\x02") + 8):
        flags = struct.unpack_from("<H", content, place)[0]
        struct.pack_into("<H", content, place, flags & ~0x800)
    path.write_bytes(content)
    assert list(read(path, bounds)) == ["train/sad/caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"]


def test_read_members_of_a_zip_takes_backslashes_for_slashes(tmp_path, bounds) -> None:
    path = write_zip(tmp_path / "a.zip", {"train\\sad\\1.jpg": b"x"})
    assert list(read(path, bounds)) == ["train/sad/1.jpg"]


def test_read_members_of_a_zip_unpacks_no_more_than_the_directory_says(tmp_path, bounds) -> None:
    path = write_zip(tmp_path / "a.zip", {"train/sad/1.jpg": bytes(64 * MEGABYTE)})
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, entry + 24, 1000)  # the unpacked size
    path.write_bytes(content)

    tracemalloc.start()
    with pytest.raises(SourceError, match="CRC"):
        read(path, bounds)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MEGABYTE


def test_read_members_of_a_tar_keeps_no_more_than_a_member_in_memory(tmp_path, bounds) -> None:
    path = tmp_path / "a.tar.xz"
    write_tar(path, {f"train/sad/{number}.jpg": bytes(MEGABYTE) for number in range(40)})
    members = read_members(path, bounds.model_copy(update={"max_ratio": 1e9}), wanted=everything)

    tracemalloc.start()
    assert sum(len(member.content) for member in members) == 40 * MEGABYTE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MEGABYTE


def test_read_members_of_a_tar_refuses_nested_headers_without_end(tmp_path, bounds) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 0
    (tmp_path / "a.tar").write_bytes(header.tobuf() * 5000)
    with pytest.raises(SourceError, match=r"a\.tar: not a readable tar"):
        read(tmp_path / "a.tar", bounds)


def test_read_members_of_a_tar_verifies_the_checksum_at_its_end(tmp_path, bounds) -> None:
    path = write_tar(tmp_path / "a.tar.gz", layout())
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the CRC that closes a gzip file
    path.write_bytes(content)
    with pytest.raises(SourceError, match="CRC check failed"):
        read(path, bounds)


def test_read_members_refuses_zeros_after_the_end_of_a_tar(tmp_path, bounds) -> None:
    path = write_tar(tmp_path / "a.tar", {"train/sad/1.jpg": b"x"})
    packed = lzma.compress(path.read_bytes() + bytes(32 * MEGABYTE))
    (tmp_path / "a.tar.xz").write_bytes(packed)
    with pytest.raises(SourceError, match="bomb"):
        read(tmp_path / "a.tar.xz", bounds)


def test_read_members_of_a_folder_refuses_a_pipe_instead_of_waiting_for_it(tmp_path, bounds) -> None:
    os.mkfifo(tmp_path / "1.jpg")
    with pytest.raises(SourceError, match=r"1\.jpg is a special file"):
        read(tmp_path, bounds)


def test_read_members_of_what_is_not_there_names_the_key(tmp_path, bounds) -> None:
    with pytest.raises(
        SourceError, match=r"data\.zip: not found; set download\.path to the archive or folder"
    ):
        read(tmp_path / "data.zip", bounds)


def test_read_members_survives_random_damage(tmp_path, bounds) -> None:
    """Damage is a SourceError, or was where it does not matter; it is never another exception."""
    chance = random.Random(5)
    files = dict(list(layout().items())[:3])
    refused = 0
    for name in ("a.zip", "a.tar", "a.tar.gz", "a.tar.xz"):
        whole = (write_zip if name == "a.zip" else write_tar)(tmp_path / name, files).read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            (tmp_path / name).write_bytes(
                damaged[: chance.choice((len(whole), chance.randrange(len(whole))))]
            )
            try:
                read(tmp_path / name, bounds)
            except SourceError:
                refused += 1
    assert refused > 120


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"train/sad/1.jpg", "train/sad/1.jpg"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        (b"caf\xe9", "caf\\xe9"),
        (b"a\x1b[31m\n", "a\\x1b[31m\\n"),
    ],
)
def test_printable_escapes_what_cannot_be_shown(raw, expected) -> None:
    assert printable(raw) == expected
