"""Addresses of SQLite files whose paths may hold what means something else in a URL: `?`, `#` and `%`."""

from __future__ import annotations

from pathlib import Path

from ferflow import heavy


def sqlite_url(path: Path, **options: int) -> str:
    """The URL by which SQLAlchemy, MLflow and Optuna open a file.

    Args:
        path: The file.
        options: The options of the connection, such as `timeout=60` (seconds).
    """
    query = {name: str(value) for name, value in options.items()}
    return heavy.sqlalchemy.engine.URL.create(
        "sqlite", database=str(path.absolute()), query=query
    ).render_as_string()
