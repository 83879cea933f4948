"""Reproducible facial emotion recognition on FER-2013.

What is listed here is the Python interface (docs/python-api.md). Nothing of it is loaded before it is asked
for, so that `import ferflow` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferflow.params import load_params
    from ferflow.serving.predictor import Predictor
    from ferflow.workflows.evaluate import evaluate
    from ferflow.workflows.export import export
    from ferflow.workflows.prepare import prepare
    from ferflow.workflows.profile import profile
    from ferflow.workflows.train import train
    from ferflow.workflows.tune import tune

    __version__: str

__all__ = [
    "Predictor",
    "__version__",
    "evaluate",
    "export",
    "load_params",
    "prepare",
    "profile",
    "train",
    "tune",
]

_MODULES = {
    "Predictor": "ferflow.serving.predictor",
    "load_params": "ferflow.params",
    **{
        name: f"ferflow.workflows.{name}"
        for name in ("evaluate", "export", "prepare", "profile", "train", "tune")
    },
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("ferflow.version").version()
    if name not in _MODULES:
        raise AttributeError(f"module 'ferflow' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
