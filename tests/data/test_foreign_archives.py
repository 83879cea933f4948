"""7z and RAR archives are read as a zip of the same files is, inside the same bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ferflow.data.archives import file_kinds
from ferflow.data.archives.archives import known_names, read_members
from ferflow.data.archives.foreign_archive import ForeignArchive
from ferflow.data.sources.sources import read_source
from ferflow.errors import FerflowError, SourceError
from tests.data.foreign_files import rename_in_7z, write_7z, write_rar4, write_rar5
from tests.source_files import csv_rows, face, layout, write_csv, write_zip

pytestmark = pytest.mark.usefixtures("one_decode_box")

_WRITERS = {"7z": write_7z, "RAR 5": write_rar5, "RAR 4": write_rar4}
_NAMES = {"7z": "data.7z", "RAR 5": "data.rar", "RAR 4": "data.rar"}


@pytest.fixture
def bounds(sample_params):
    def bounds(path, source="archive", **changes):
        return sample_params.download.model_copy(update={"source": source, "path": str(path), **changes})

    return bounds


@pytest.mark.parametrize("kind", _WRITERS)
def test_images_are_read_as_from_a_zip(kind, tmp_path, bounds):
    files = layout("FER 2013/") | {"FER 2013/train/sad/é.jpg": b"", "FER 2013/readme.txt": b"x"}
    path = _WRITERS[kind](tmp_path / _NAMES[kind], files)
    plain = read_source(bounds(write_zip(tmp_path / "data.zip", files)), seed=1)
    found = read_source(bounds(path), seed=1)
    assert found.table["file"].tolist() == plain.table["file"].tolist()
    assert found.table["sha256"].tolist() == plain.table["sha256"].tolist()
    assert found.bad_images == plain.bad_images
    assert found.layout.outside == plain.layout.outside
    assert sorted(known_names(path, bounds(path))) == sorted(files)


@pytest.mark.parametrize("kind", _WRITERS)
def test_the_table_in_one_is_read_as_it_is(kind, tmp_path, bounds):
    table = write_csv(tmp_path / "fer2013.csv", csv_rows())
    path = _WRITERS[kind](
        tmp_path / _NAMES[kind], {"x/fer2013.csv": table.read_bytes(), "x/README": b"how to cite"}
    )
    plain, found = (read_source(bounds(place, "csv"), seed=1) for place in (table, path))
    assert found.table["sha256"].tolist() == plain.table["sha256"].tolist()


@pytest.mark.parametrize("kind", ["7z", "RAR 5"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_members": 20}, "holds more than 20 members"),
        ({"max_member_bytes": 1_000}, "more than 1,000; take it out"),
        ({"max_total_bytes": 20_000}, "holds more than 20,000 bytes"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_bounds_hold_before_anything_is_unpacked(kind, changes, says, tmp_path, bounds, monkeypatch):
    path = _WRITERS[kind](tmp_path / _NAMES[kind], layout())
    monkeypatch.setattr(ForeignArchive, "pieces", None)
    with pytest.raises(SourceError, match=says):
        read_source(bounds(path, **changes), seed=1)


def test_a_bomb_is_refused_by_its_list(tmp_path, bounds):
    path = write_7z(
        tmp_path / "data.7z", {f"train/angry/{number}.bmp": bytes(60_000) for number in range(40)}
    )
    with pytest.raises(SourceError, match=r"as a decompression bomb does; .*download\.max_ratio"):
        read_source(bounds(path, max_member_bytes=65_536), seed=1)
    table = write_7z(tmp_path / "table.7z", {"fer2013.csv": b"emotion,pixels\n" + bytes(3_000_000)})
    with pytest.raises(SourceError, match="as a decompression bomb does"):
        read_source(bounds(table, "csv", max_member_bytes=65_536), seed=1)


def _cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def _altered(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


_FILES = layout()
_REFUSED = {
    "7z cut short": (
        lambda to: _cut(write_7z(to / "data.7z", _FILES), 0.7),
        "is a 7z archive that cannot be read",
    ),
    "7z altered": (
        lambda to: _altered(write_7z(to / "data.7z", _FILES)),
        "is a 7z archive that cannot be read",
    ),
    "7z that is none": (
        lambda to: _junk(to / "x.7z", b"7z\xbc\xaf\x27\x1c"),
        "is a 7z archive that cannot be read",
    ),
    "7z with a password": (
        lambda to: write_7z(to / "data.7z", _FILES, password="open"),  # noqa: S106
        "is encrypted; repack the archive without a password",
    ),
    "7z that climbs out": (
        lambda to: rename_in_7z(to / "data.7z", {"ab/cd/odd.jpg": b"x"}, "ab/cd/", "../../"),
        "climbs out with '..'",
    ),
    "7z with an absolute name": (
        lambda to: rename_in_7z(to / "data.7z", {"ab/cd/odd.jpg": b"x"}, "ab/cd/", "/b/cd/"),
        "has an absolute path",
    ),
    "7z with one name twice": (
        lambda to: rename_in_7z(to / "data.7z", {"sad/1.jpg": b"x", "sad/2.jpg": b"y"}, "2.jpg", "1.jpg"),
        "holds sad/1.jpg twice",
    ),
    "RAR cut short": (
        lambda to: _cut(write_rar5(to / "data.rar", _FILES), 0.7),
        "is a RAR archive that cannot be read",
    ),
    "RAR 4 cut short": (
        lambda to: _cut(write_rar4(to / "data.rar", _FILES), 0.7),
        "is a RAR archive that cannot be read",
    ),
    "RAR without an end": (lambda to: write_rar5(to / "data.rar", _FILES, has_end=False), "Unexpected EOF"),
    "RAR altered": (
        lambda to: _altered(write_rar5(to / "data.rar", _FILES)),
        "is a RAR archive that cannot be read",
    ),
    "RAR that is none": (
        lambda to: _junk(to / "x.rar", b"Rar!\x1a\x07\x01\x00"),
        "is a RAR archive that cannot be read",
    ),
    "RAR with a password": (lambda to: write_rar4(to / "data.rar", _FILES, flags=4), "is encrypted"),
    "RAR of several parts": (lambda to: write_rar4(to / "data.rar", _FILES, flags=2), "one part of a split"),
    "RAR that climbs out": (lambda to: write_rar5(to / "data.rar", {"../odd.jpg": b"x"}), "climbs out"),
    "RAR with a drive": (lambda to: write_rar5(to / "data.rar", {"C:/odd.jpg": b"x"}), "an absolute path"),
    "RAR with a link": (
        lambda to: write_rar4(to / "data.rar", _FILES, link="train/sad/odd.jpg"),
        "is a link",
    ),
}


def _junk(path: Path, start: bytes) -> Path:
    path.write_bytes(start + b"0" * 64)
    return path


@pytest.mark.parametrize("name", _REFUSED)
def test_what_cannot_be_read_is_one_error_that_names_it(name, tmp_path, bounds):
    build, says = _REFUSED[name]
    path = build(tmp_path)
    with pytest.raises(FerflowError) as caught:
        read_source(bounds(path), seed=1)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(("kind", "module"), [("7z", "py7zr"), ("RAR 5", "rarfile"), ("RAR 4", "rarfile")])
@pytest.mark.parametrize("source", ["archive", "csv"])
def test_without_the_library_the_extra_is_named(kind, module, source, tmp_path, bounds, monkeypatch):
    path = _WRITERS[kind](tmp_path / _NAMES[kind], layout())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        SourceError, match=r"install ferflow\[archives\] .*, or unpack it and give the folder"
    ):
        read_source(bounds(path, source), seed=1)
    assert file_kinds.kind_of(path.read_bytes()) == kind.split()[0]


def test_rars_own_methods_need_a_program(tmp_path, bounds, monkeypatch):
    path = write_rar5(tmp_path / "data.rar", layout(), method=3)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError, match="install unrar, unar, 7z or bsdtar, or unpack it"):
        read_source(bounds(path), seed=1)


def _program(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for unrar: no free program packs by RAR's methods, so that none can be unpacked here."""
    folder.mkdir()
    (folder / "unrar").write_text(f"#!{sys.executable}\nimport sys\nif '-?' in sys.argv: sys.exit()\n{body}")
    (folder / "unrar").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


_PRINT_ALL = """
from pathlib import Path
sys.stdout.buffer.write((Path(sys.argv[-1]).parent / "unpacked").read_bytes())
"""


def test_what_a_program_unpacks_is_told_apart_by_the_list(tmp_path, bounds, monkeypatch):
    files = {"readme.txt": b"first"} | layout()
    (tmp_path / "unpacked").write_bytes(b"".join(files.values()))
    _program(tmp_path / "bin", _PRINT_ALL, monkeypatch)
    path = write_rar5(tmp_path / "data.rar", files, method=3)
    members = {member.name: member.content for member in read_members(path, bounds(path), wanted=_is_jpg)}
    assert members == layout()


@pytest.mark.parametrize(
    ("unpacked", "body", "says"),
    [
        (lambda content: content[:-1], _PRINT_ALL, r"of \d+\)"),
        (lambda content: content + b"x", _PRINT_ALL, "did not unpack it"),
        (lambda content: bytes(len(content)), _PRINT_ALL, "the checksum of train/angry/.* is wrong"),
        (lambda content: content, f"{_PRINT_ALL}\nsys.exit(3)", r"it ended with 3"),
    ],
    ids=["too few bytes", "too many bytes", "other bytes", "a bad end"],
)
def test_a_program_that_fails_is_an_error(unpacked, body, says, tmp_path, bounds, monkeypatch):
    (tmp_path / "unpacked").write_bytes(unpacked(b"".join(layout().values())))
    _program(tmp_path / "bin", body, monkeypatch)
    path = write_rar5(tmp_path / "data.rar", layout(), method=3)
    with pytest.raises(SourceError, match=says):
        list(read_members(path, bounds(path), wanted=_is_jpg))


def _is_jpg(name: str) -> bool:
    return name.endswith(".jpg")


def _frame(what: int, content: bytes) -> bytes:
    return struct.pack(">iI", what, len(content)) + content


_LIST = _frame(
    -2, b'[{"name": "a.jpg", "size": 3, "kind": "file"}, {"name": "b.jpg", "size": 3, "kind": "file"}]'
)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "the decoder of 7z failed"),
        (_frame(0, b"abc"), "no list of members came"),
        (_frame(-2, b"[1]"), "its list of members is none"),
        (struct.pack(">iI", -2, 1 << 31), "a piece of 2,147,483,648 bytes"),
        (_frame(-1, b"memory"), "needs more than 1 GiB of memory"),
        (_LIST, "the decoder of 7z failed"),
        (_LIST + _frame(0, b"abcd"), "member 0 has other bytes"),
        (_LIST + _frame(7, b""), "member 7 has other bytes"),
        (_LIST + _frame(0, b"a") + _frame(1, b"abc"), "member 1 has other bytes"),
        (_LIST + _frame(0, b"abc") + _frame(-3, b""), "b.jpg is cut short"),
        (_LIST + struct.pack(">iI", 0, 3), "the decoder of 7z failed"),
    ],
)
def test_what_a_process_answers_is_not_believed(answer, says, tmp_path):
    with (
        _answering(f"sys.stdout.buffer.write({answer!r})") as process,
        pytest.raises(SourceError, match=says),
    ):
        list(ForeignArchive(tmp_path / "data.7z", "7z", process).pieces([0, 1]))


def test_a_process_that_takes_too_long_says_so(tmp_path):
    body = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    with _answering(body) as process, pytest.raises(SourceError, match="of the processor to unpack"):
        ForeignArchive(tmp_path / "data.7z", "7z", process)


@contextmanager
def _answering(body: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", f"import sys\n{body}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    with suppress(BrokenPipeError):  # What was written has no reader.
        process.communicate()


def test_the_process_has_limits(tmp_path, monkeypatch):
    """They are seen by a library that is asked for what they are."""
    (tmp_path / "py7zr").mkdir()
    (tmp_path / "py7zr" / "__init__.py").write_text(
        "import resource\nraise ValueError([resource.getrlimit(kind)[0] for kind in "
        "(resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "x.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    with pytest.raises(SourceError) as caught:
        known_names(tmp_path / "x.7z", None)
    memory, seconds, core = map(int, str(caught.value).partition("[")[2].partition("]")[0].split(", "))
    assert 1 << 30 < memory < 3 << 30
    assert 60 <= seconds < 70
    assert core == 0


def test_a_picture_is_the_one_that_was_packed(tmp_path, bounds):
    """So that a mix-up of members would be seen: each has another size."""
    files = {f"sad/{number}.jpg": face(number).tobytes()[: 100 + 7 * number] for number in range(30)}
    path = write_7z(tmp_path / "data.7z", files)
    wanted = [name for number, name in enumerate(files) if number % 3]
    members = read_members(path, bounds(path), wanted=lambda name: name in wanted)
    assert {member.name: member.content for member in members} == {name: files[name] for name in wanted}
