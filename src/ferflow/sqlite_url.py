"""Addresses of SQLite files whose paths may hold what means something else in a URL: `?`, `#` and `%`."""

from __future__ import annotations

from pathlib import Path


def sqlite_url(path: Path, **options: int) -> str:
    """The URL by which SQLAlchemy, MLflow and Optuna open a file.

    Args:
        path: The file.
        options: Of the connection, such as `timeout=60` (seconds).
    """
    from sqlalchemy.engine import URL  # Late: it takes as long as all the rest of a short command.

    query = {name: str(value) for name, value in options.items()}
    return URL.create("sqlite", database=str(path.absolute()), query=query).render_as_string()
