"""Each limit of `ferflow.limits` takes what it says, and refuses one more."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferflow import limits
from ferflow.data.archives.archives import read_members
from ferflow.data.archives.bounds import check_name_length
from ferflow.data.archives.foreign_archive import ForeignArchive
from ferflow.data.archives.zip_directory import DirectoryFirst
from ferflow.data.sources.fer_csv import read_fer_csv
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_rows import Table
from ferflow.data.store import read_arrays, read_csv, write_arrays
from ferflow.errors import DataError, FerflowError
from ferflow.limits import parse_json
from ferflow.params import DownloadParams
from ferflow.params.yaml_text import parse_yaml
from tests.source_files import csv_rows, write_csv

Feed = Callable[[int, Path, DownloadParams], object]


def _name(number: int, folder: Path, _: DownloadParams) -> None:
    check_name_length(folder, "n" * number)


def _tar(folder: Path, bounds: DownloadParams, info: tarfile.TarInfo) -> None:
    with tarfile.open(folder / "data.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    list(read_members(folder / "data.tar", bounds, wanted=lambda _: True))


def _tar_headers(number: int, folder: Path, bounds: DownloadParams) -> None:
    """A member whose headers have so many bytes: two blocks of 512, padding, and one record."""
    info = tarfile.TarInfo("train/happy/1.jpg")
    head = 4 * tarfile.BLOCKSIZE  # of the record, of the member, the mark of the end, and slack
    info.pax_headers = {"k": "v" * (number // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE - head)}
    if number % tarfile.BLOCKSIZE:
        info.pax_headers["l"] = "v" * head
    _tar(folder, bounds, info)


def _tar_records(number: int, folder: Path, bounds: DownloadParams) -> None:
    info = tarfile.TarInfo("train/happy/1.jpg")
    info.pax_headers = {f"k{key}": "v" for key in range(number)}
    _tar(folder, bounds, info)


def _tar_digits(number: int, folder: Path, bounds: DownloadParams) -> None:
    info = tarfile.TarInfo("train/happy/1.jpg")
    info.pax_headers = {"k": "x" * 600, "l": "1" * number}
    _tar(folder, bounds, info)


def _zip_directory(number: int, folder: Path, bounds: DownloadParams) -> None:
    DirectoryFirst(io.BytesIO(), folder, bounds.model_copy(update={"max_members": 1})).read(number)


def _zip_bytes_a_member(number: int, folder: Path, bounds: DownloadParams) -> None:
    members = limits.MAX_ZIP_DIRECTORY_BYTES
    changed = bounds.model_copy(update={"max_members": members})
    DirectoryFirst(io.BytesIO(), folder, changed).read(number * members)


def _foreign_list(number: int, folder: Path, _: DownloadParams) -> None:
    frame = f"struct.pack('>iI', -2, {number}) + b'[]'.ljust({number})"
    code = f"import sys, struct; sys.stdout.buffer.write({frame})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            ForeignArchive(folder, "7z", process)
        finally:
            process.kill()


def _csv_line(number: int, folder: Path, bounds: DownloadParams) -> None:
    rows = csv_rows()
    used = len(",".join(rows[0])) + len(",\n")
    path = write_csv(
        folder / "data.csv", [[*row, "x" * (number - used)] for row in rows[:1]], "emotion,pixels,Usage,x"
    )
    list(read_fer_csv(Table(path, bounds, {}), wording=Wording()))


def _index_cell(number: int, folder: Path, _: DownloadParams) -> None:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["file"], ["n" * number]])
    read_csv(folder / "index.csv", ("file",))


def _json_bytes(number: int, *_: object) -> None:
    parse_json(b'"' + b"x" * (number - 2) + b'"')


def _json_depth(number: int, *_: object) -> None:
    parse_json("[" * number + "]" * number)


def _yaml_values(number: int, *_: object) -> None:
    """A list, one value, and the same list over and over again by its alias."""
    listed = 10
    times, rest = divmod(number - 1, 1 + listed)
    parse_yaml(f"[&a [{', '.join('x' * listed)}]{', *a' * (times - 1)}{', 1' * rest}]")


# What each limit counts, fed as it would come.
_FEEDS: dict[str, Feed] = {
    "MAX_NAME_CHARACTERS": _name,
    "MAX_TAR_HEADER_BYTES": _tar_headers,
    "MAX_TAR_RECORDS": _tar_records,
    "MAX_TAR_DIGITS": _tar_digits,
    "MAX_ZIP_DIRECTORY_BYTES": _zip_directory,
    "ZIP_DIRECTORY_BYTES_PER_MEMBER": _zip_bytes_a_member,
    "MAX_FOREIGN_LIST_BYTES": _foreign_list,
    "MAX_CSV_LINE_CHARACTERS": _csv_line,
    "MAX_INDEX_CELL_CHARACTERS": _index_cell,
    "MAX_JSON_BYTES": _json_bytes,
    "MAX_JSON_DEPTH": _json_depth,
    "MAX_YAML_VALUES": _yaml_values,
}


def test_every_limit_is_fed():
    assert set(_FEEDS) == {name for name in vars(limits) if name.isupper()}


@pytest.mark.parametrize("name", _FEEDS)
def test_a_limit_takes_what_it_says_and_refuses_one_more(name, tmp_path, sample_params):
    limit = getattr(limits, name)
    bounds = sample_params.download.model_copy(update={"max_ratio": 1e9})
    _FEEDS[name](limit, tmp_path, bounds)
    with pytest.raises((FerflowError, ValueError)):
        _FEEDS[name](limit + 1, tmp_path, bounds)


@pytest.mark.parametrize("depth", [101, 1_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_json_is_a_value_error(depth, opening):
    closing = "]" if opening == "[" else "}"
    with pytest.raises(ValueError, match="nested in more than 100 levels"):
        parse_json(opening * depth + "1" + closing * depth)


def test_wide_json_is_taken():
    assert parse_json(json.dumps([[1]] * 100_000)) == [[1]] * 100_000


@pytest.mark.parametrize("mask", [0x01, 0x08, 0xFF])
def test_a_flipped_byte_of_arrays_is_readable_or_harmless(mask, tmp_path):
    """Method, flags, version, sizes, names and headers: all but the values of the array."""
    images = np.arange(2304, dtype=np.uint8).reshape(1, 48, 48)
    write_arrays(tmp_path / "whole.npz", {"images": images})
    whole = (tmp_path / "whole.npz").read_bytes()
    told = 0
    for position in [*range(200), *range(len(whole) - 120, len(whole))]:
        changed = bytearray(whole)
        changed[position] ^= mask
        (tmp_path / "flipped.npz").write_bytes(changed)
        try:
            found = read_arrays(tmp_path / "flipped.npz", ("images",))["images"]
        except DataError as error:
            told += str(error).startswith(f"{tmp_path}/flipped.npz: ")
        else:
            assert found.shape == images.shape
            assert (found == images).all()
    assert told > 150


def test_an_array_that_claims_more_than_is_there_costs_no_memory(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 48, 48)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", stream.getvalue() + bytes(100))
    with pytest.raises(DataError, match="claims 2,304,000,000,000 bytes and has 100"):
        read_arrays(tmp_path / "a.npz", ("images",))
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", stream.getvalue() + bytes(100))
    with pytest.raises(DataError, match="is packed"):
        read_arrays(tmp_path / "b.npz", ("images",))


def test_an_index_of_newlines_ends_at_the_first_of_them(tmp_path):
    (tmp_path / "index.csv").write_text("file,label\n" + "\n" * 1_000_000, encoding="utf-8")
    with pytest.raises(DataError, match="row 1 is too short or too long: 0 of 2 cells"):
        read_csv(tmp_path / "index.csv", ("file",))


def test_columns_are_as_wide_as_their_own_longest_value(tmp_path):
    (tmp_path / "index.csv").write_text(f"file,label\n{'n' * 500},sad\n", encoding="utf-8")
    columns = read_csv(tmp_path / "index.csv", ("file",))
    assert (columns["file"].dtype, columns["label"].dtype) == ("<U500", "<U3")
