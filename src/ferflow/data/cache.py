"""The user's cache: what is fetched once for all projects of a user, and may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

from ferflow import heavy

VARIABLE = "FERFLOW_CACHE"


def cache_folder() -> Path:
    """The folder that `FERFLOW_CACHE` names, else the platform's (Linux: `~/.cache/ferflow`)."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)

    return Path(heavy.platformdirs.user_cache_path("ferflow", appauthor=False))
