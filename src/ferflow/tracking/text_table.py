"""Tables for a terminal."""

from __future__ import annotations

from ferflow.reporting.outline import Table


def render(table: Table, *, left: int = 1) -> str:
    """A table as lines of text: the first `left` columns to the left, all others to the right."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column >= left else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
