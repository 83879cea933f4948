"""Any stage's JSON report as plain facts and tables, for a page that shows what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferflow.files import read_json
from ferflow.labels import EMOTIONS

# Keys that name all classes together.
TOTALS = ("total", "all")

_MAX_LISTED = 12
_MAX_COLUMNS = 6
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        title: What it is about.
        columns: Names of the columns.
        rows: Cells, as many a row as there are columns; the first is the row's name.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Outline:
    """A report, flattened.

    Attributes:
        facts: (name, value) of every single value, in the report's order.
        tables: One of each mapping of mappings, and of each mapping from the emotions.
    """

    facts: list[tuple[str, str]]
    tables: list[Table]


def read_report(path: Path) -> dict[str, Any] | None:
    """Read the JSON report of another stage; None where that stage left none.

    Raises:
        DataError: The file is there but is no JSON object.
    """
    return read_json(path, cure="run the stage that writes it again") if path.exists() else None


def outline(report: Mapping[str, Any]) -> Outline:
    """Flatten a report: names are joined by colons, what has rows and columns becomes a table."""
    facts: list[tuple[str, str]] = []
    tables: list[Table] = []
    _collect(report, "", facts, tables)
    return Outline(facts, tables)


def format_value(value: object) -> str:
    """A value as a person reads it: `7,178`, `0.9531`, `yes`, `a, b`; an en dash for nothing.

    Of a SHA-256 the first 12 digits are shown.
    """
    if value is None or value == [] or value == "":
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        listed = ", ".join(format_value(item) for item in value[:_MAX_LISTED])
        return f"{listed}, and {len(value) - _MAX_LISTED:,} more" if len(value) > _MAX_LISTED else listed
    if isinstance(value, Mapping):
        return ": ".join(format_value(item) for item in value.values())
    text = str(value)
    return f"{text[:12]}\N{HORIZONTAL ELLIPSIS}" if _HASH.fullmatch(text) else text


def _collect(
    report: Mapping[str, Any], prefix: str, facts: list[tuple[str, str]], tables: list[Table]
) -> None:
    for key, value in report.items():
        name = prefix + key
        if not isinstance(value, Mapping):
            # A seed is a name, not a quantity: no thousands separator.
            facts.append((_spoken(name), str(value) if key == "seed" else format_value(value)))
        elif value and set(value) <= {*EMOTIONS, *TOTALS} and _is_flat(value):
            tables.append(_table(name, {emotion: {"images": number} for emotion, number in value.items()}))
        elif value and all(isinstance(row, Mapping) and _is_flat(row) for row in value.values()):
            tables.append(_table(name, value))
        else:
            _collect(value, f"{name}: ", facts, tables)


def _is_flat(values: Mapping[str, Any]) -> bool:
    return bool(values) and not any(isinstance(value, Mapping) for value in values.values())


def _table(title: str, values: Mapping[str, Mapping[str, Any]]) -> Table:
    """Rows are the keys, columns the inner keys, or the other way round where those are many more."""
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    if len(names) > max(_MAX_COLUMNS, len(values)):
        values = {name: {key: row.get(name) for key, row in values.items()} for name in names}
        names = list(dict.fromkeys(name for row in values.values() for name in row))
    rows = [[_spoken(key), *[format_value(row.get(name)) for name in names]] for key, row in values.items()]
    return Table(_spoken(title), ["", *map(_spoken, names)], rows)


def _spoken(key: str) -> str:
    return re.sub(r"\bnum_", "number of ", key).replace("_", " ")
