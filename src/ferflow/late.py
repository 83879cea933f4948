"""Modules that are loaded when they are used, so that a command waits for what it needs and nothing else.

A package that ends with `__getattr__ = late_modules(__name__)` (PEP 562) is imported in no time, and
`package.name` loads its module. So who uses a heavy module imports its package, at the top of the file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any


def late_modules(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose modules are loaded when they are used.

    Args:
        package: Its name.
    """

    def load(name: str) -> Any:
        if name.startswith("_") or find_spec(f"{package}.{name}") is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f"{package}.{name}")

    return load
