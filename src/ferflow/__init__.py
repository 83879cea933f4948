"""Reproducible facial emotion recognition on FER-2013."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferflow.serving.predictor import Predictor

__all__ = ["Predictor", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Predictor`, loaded when it is asked for, so that `import ferflow` stays instant."""
    if name == "Predictor":
        from ferflow.serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'ferflow' has no attribute {name!r}")
