"""Limits that a process sets for itself, where the platform has them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType


def limit_memory(num_bytes: int) -> None:
    """Let this process have so many bytes more than now; nothing where the platform has no such limit."""
    try:
        resource = _resource()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + num_bytes
        _lower(resource, resource.RLIMIT_AS, most)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # Windows, macOS: the bounds of sizes and the time limit of the parent hold there.


def limit_processor(seconds: int) -> None:
    """Let this process, and each that it starts, have so many seconds of the processor more than now."""
    try:
        resource = _resource()
        used = resource.getrusage(resource.RUSAGE_SELF)
        _lower(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
    except (ImportError, OSError, ValueError):
        return  # Windows: the bounds of sizes hold there.


def _resource() -> ModuleType:
    import resource  # Late: Windows has none.

    return resource


def _lower(resource: ModuleType, kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (soft, hard))
