"""What the machine gives this process, on every operating system."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The cores that this process may use, at least 1: where the system can tell, those it is bound to."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # Windows and macOS bind no process to cores
