"""Tables in Parquet files: one file, or a folder of them as data sets on Hugging Face have it.

The columns are a CSV's (`ferflow.data.table_columns`); beside rows of pixels, encoded pictures are read:
bytes, or a struct with `bytes` and `path`. Numbers in a column of labels mean what the names in the file's
own schema say, where Hugging Face's library wrote them. The usage is that of a column, else of the file's
name (`train-00000-of-00002.parquet`) or a folder above it. pyarrow is imported with the first file. Encoded
pictures are decoded by who reads the rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferflow.data.archives.archives import start_of
from ferflow.data.archives.bounds import check_count, check_ratio, check_total
from ferflow.data.archives.file_names import has_image_name, has_no_ending, is_litter
from ferflow.data.archives.folder_source import FoundFile, list_folder
from ferflow.data.archives.packed_table import PARQUET_START
from ferflow.data.sources.fer_csv import parse_pixels
from ferflow.data.sources.path_labels import path_parts
from ferflow.data.sources.reading_errors import LayoutError
from ferflow.data.sources.subset_names import USAGE_OF, subset_of
from ferflow.data.sources.table_columns import NUM_PIXELS, Columns, find_columns
from ferflow.data.sources.table_rows import BadRowError, CsvRow, Table, place_of_row
from ferflow.data.store import Images
from ferflow.errors import SourceError
from ferflow.labels import IMAGE_SIZE

PARQUET = (".parquet", ".pq")
# Rows are unpacked together: at most so many, and fewer where one value may be large.
_ROWS_AT_ONCE, _BYTES_AT_ONCE = 64, 1 << 30


@dataclass(frozen=True)
class _File:
    """A file of the table; `usage` is what its name says, "" for nothing."""

    path: Path
    name: str
    usage: str


@dataclass
class _Count:
    """Rows, bytes and claimed bytes so far, over all files."""

    rows: int = 0
    bytes: int = 0
    claimed: int = 0


def is_parquet(path: Path) -> bool:
    """Whether a path is a Parquet file by its first bytes, or a folder of them that holds no image."""
    if not path.is_dir():
        return start_of(path).startswith(PARQUET_START)
    found = False
    for _, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not is_litter(name)]
        shown = [name for name in names if not is_litter(name)]
        if any(has_image_name(name) and not has_no_ending(name) for name in shown):
            return False
        found = found or any(name.lower().endswith(PARQUET) for name in shown)
    return found


def parquet_rows(table: Table) -> Iterator[CsvRow]:
    """Yield the rows of all files in the order of their names; those of encoded pictures have no image yet.

    Raises:
        SourceError: pyarrow is missing, or a file is damaged or over a bound.
        DataError: A column is missing, or the usage of some files cannot be told.
    """
    count = _Count()
    for file in _files(table):
        yield from _rows_of(table, file, count)


def _files(table: Table) -> list[_File]:
    path = table.path
    if not path.is_dir():
        return [_File(path, "", _usage_of(table, path, [path.name]))]
    found = [file for file in list_folder(path, table.bounds) if file.name.lower().endswith(PARQUET)]
    shown = [file for file in found if not any(is_litter(part) for part in path_parts(file.name))]
    for file in shown:
        _check_link(path, file)
    files = [_File(file.path, file.name, _usage_of(table, path, path_parts(file.name))) for file in shown]
    bare = [file.name for file in files if not file.usage]
    if len(bare) == len(files):
        usage = _usage_of(table, path, [path.name])
        return [replace(file, usage=usage) for file in files]
    if bare:
        raise LayoutError(
            f"{path}: {bare[0]} is not named after a subset as other files there are; rename it to "
            "train-..., validation-... or test-..., or take it out"
        )
    return files


def _check_link(root: Path, file: FoundFile) -> None:
    if not Path(os.path.realpath(file.path)).is_relative_to(os.path.realpath(root)):
        raise SourceError(
            f"{root}: {file.name} is a link that leads out of the folder; copy what it points to (cp -rL "
            "copies a folder that way) and give the copy"
        )


def _usage_of(table: Table, source: Path, parts: list[str]) -> str:
    """What the parts of a path say of the usage; "" for nothing."""
    known = {part: subset_of(part.split(".")[0]) for part in parts}
    said = {part: name.kind for part, name in known.items() if name.is_certain}
    usages = {USAGE_OF.get(kind, "") for kind in said.values()}
    if len(usages) > 1 or "" in usages:
        raise LayoutError(
            f"{source}: {'/'.join(parts)} names two subsets; rename it after the one that it holds"
        )
    for part, kind in said.items():
        table.subsets[part] = USAGE_OF[kind]
    return next(iter(usages), "")


def _rows_of(table: Table, file: _File, count: _Count) -> Iterator[CsvRow]:
    """The rows of one file."""
    try:
        # Late: an extra brings it, and few tables are Parquet files.
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SourceError(
            f"{file.path}: is a Parquet file, which needs pyarrow ({error}); run pip install "
            "'ferflow[parquet]', or save the table as CSV"
        ) from error
    try:
        with parquet.ParquetFile(file.path) as content:
            columns = find_columns(file.path, content.schema_arrow.names, table.named)
            table.columns = columns
            used = _used(columns)
            largest = _check_claims(table, file, count, content.metadata)
            names = _label_names(content.schema_arrow.metadata, columns.names[columns.emotion])
            number = unpacked = 0
            packed = file.path.stat().st_size
            batch_rows = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, largest)))
            wanted = [columns.names[index] for index in used]
            for batch in content.iter_batches(batch_rows, columns=wanted):
                cells = [batch.column(name) for name in wanted]
                for row in range(batch.num_rows):
                    number, count.rows = number + 1, count.rows + 1
                    check_count(table.path, count.rows, table.bounds)
                    values = {index: _plain(cell[row]) for index, cell in zip(used, cells, strict=True)}
                    # Not the batch's own: of a value that many rows share it counts one.
                    unpacked += sum(map(_num_bytes, values.values()))
                    check_total(table.path, count.bytes + unpacked, table.bounds)
                    check_ratio(file.path, unpacked, packed, table.bounds)
                    name = f"{file.name} row {number}" if file.name else f"row {number}"
                    yield _row(table, file, columns, values, names, number=count.rows, name=name)
            count.bytes += unpacked
    except (pyarrow.ArrowException, OSError, EOFError, ValueError, MemoryError, KeyError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(
            f"{file.path}: not a readable Parquet file ({reason}); it is damaged or cut short: fetch it again"
        ) from error


def _used(columns: Columns) -> list[int]:
    usage = [] if columns.usage is None else [columns.usage]
    return sorted({columns.emotion, *columns.pixels, *usage})


def _check_claims(table: Table, file: _File, count: _Count, metadata: Any) -> int:
    """See that what the row groups claim to unpack to is inside the bounds, before anything is unpacked.

    What single columns claim is not looked at: where it contradicts the rest, pyarrow ends the process.

    Returns:
        What the largest row group claims in bytes: more than any one value has.
    """
    groups = range(metadata.num_row_groups)
    sizes = [0, *(max(0, int(metadata.row_group(group).total_byte_size)) for group in groups)]
    count.claimed += sum(sizes)
    check_count(table.path, count.rows + metadata.num_rows, table.bounds)
    check_total(table.path, count.claimed, table.bounds)
    check_ratio(file.path, sum(sizes), file.path.stat().st_size, table.bounds)
    return max(sizes)


def _plain(cell: Any) -> Any:
    """A value as Python has it; a list of numbers, flat or nested, as one array."""
    values = getattr(cell, "values", None)
    if values is None or not hasattr(values, "to_numpy"):
        return cell.as_py()
    while hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False)


def _num_bytes(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_num_bytes, value.values()))
    return int(getattr(value, "nbytes", 0)) or (len(value) if isinstance(value, str | bytes) else 8)


def _label_names(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str]:
    """The names of a column's numbers, as Hugging Face's library writes them into the schema; else none."""
    try:
        found = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):  # other programs write other schemas
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def _row(
    table: Table,
    file: _File,
    columns: Columns,
    cells: dict[int, Any],
    names: list[str],
    *,
    number: int,
    name: str,
) -> CsvRow:
    try:
        emotion = _spoken(cells[columns.emotion], names)
        label = table.label_of(emotion)
        usage = _usage(table, file, None if columns.usage is None else _spoken(cells[columns.usage], []))
        if label is None or usage is None:
            return CsvRow(number, None, None, "", name)
        place = place_of_row(number, label, usage, emotion)
        if len(columns.pixels) > 1:
            return CsvRow(number, place, _image([cells[index] for index in columns.pixels]), "", name)
        cell = cells[columns.pixels[0]]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if isinstance(content, bytes):
            if len(content) > table.bounds.max_member_bytes:
                raise BadRowError(
                    f"has {len(content):,} bytes, more than download.max_member_bytes "
                    f"{table.bounds.max_member_bytes:,}"
                )
            return CsvRow(number, place, None, "", name, content)
        if isinstance(cell, dict):
            raise BadRowError("the picture is a path without bytes")
        return CsvRow(number, place, _image(content), "", name)
    except BadRowError as error:
        return CsvRow(number, None, None, str(error), name)


def _spoken(cell: Any, names: list[str]) -> str:
    """A cell as a CSV would have it; a number that the schema names, as its name."""
    if isinstance(cell, int) and 0 <= cell < len(names):
        return names[cell].strip()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace").strip()
    return "" if cell is None else str(cell).strip()


def _usage(table: Table, file: _File, cell: str | None) -> str | None:
    """The usage of a row: none that its column says may make a training image of a file of test images."""
    if cell is None:
        return file.usage or "Training"
    usage = table.usage_of(cell)
    if usage == "Training" and file.usage not in ("", "Training"):
        raise BadRowError(f"Usage {cell[:20]!r} in a file that is named after {file.usage}")
    return usage


def _image(cell: Any) -> Images:
    """A row of pixels, as text or as numbers, flat or nested; gives (48, 48) uint8."""
    if cell is None:
        raise BadRowError("the picture is missing (null)")
    if isinstance(cell, str):
        return parse_pixels(cell)
    try:
        values = np.asarray(cell, np.float64)
    except (TypeError, ValueError):
        raise BadRowError("pixels hold something else than numbers") from None
    if values.size != NUM_PIXELS:
        raise BadRowError(f"{values.size:,} pixels, expected {NUM_PIXELS} numbers")
    if not ((values == np.round(values)) & (values >= 0) & (values <= 255)).all():
        raise BadRowError("pixels hold something else than whole numbers from 0 to 255")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
