"""Reproducible facial emotion recognition on FER-2013."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferflow.serving.predictor import Predictor

    __version__: str

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """`Predictor` and `__version__`, had when they are asked for, so that `import ferflow` stays instant."""
    if name == "Predictor":
        from ferflow.serving.predictor import Predictor

        return Predictor
    if name == "__version__":
        from ferflow.version import version

        return version()
    raise AttributeError(f"module 'ferflow' has no attribute {name!r}")
