"""Packages from elsewhere that take long to load, or that an extra brings: each is loaded when it is used.

`from ferflow import heavy`, then `heavy.mlflow.MlflowClient`. A command waits for those it needs alone, and
the others need not be installed; one that is missing is an error that names its extra (`ferflow.extras`).
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av as av
    import cleanlab as cleanlab
    import jax as jax
    import jinja2 as jinja2
    import kagglehub as kagglehub
    import keras as keras
    import matplotlib as matplotlib
    import mlflow as mlflow
    import onnx as onnx
    import onnxruntime as onnxruntime
    import optuna as optuna
    import pillow_heif as pillow_heif
    import platformdirs as platformdirs
    import py7zr as py7zr
    import rarfile as rarfile
    import requests as requests
    import rich as rich
    import ruamel as ruamel
    import scipy as scipy
    import sklearn as sklearn
    import sqlalchemy as sqlalchemy
    import starlette as starlette
    import tensorflow as tensorflow

_MODULES = {
    # Parts that `import` of their package does not load.
    "av": ("av",),
    "cleanlab": ("cleanlab.filter", "cleanlab.rank"),
    "jax": ("jax",),
    "jinja2": ("jinja2",),
    "kagglehub": ("kagglehub.exceptions",),
    "keras": ("keras",),
    "matplotlib": ("matplotlib",),
    "mlflow": ("mlflow",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime",),
    "optuna": ("optuna",),
    "pillow_heif": ("pillow_heif",),
    "platformdirs": ("platformdirs",),
    "py7zr": ("py7zr.exceptions", "py7zr.io"),
    "rarfile": ("rarfile",),
    "requests": ("requests",),
    "rich": ("rich.box", "rich.console", "rich.live", "rich.table", "rich.text"),
    "ruamel": ("ruamel.yaml", "ruamel.yaml.error"),
    "scipy": ("scipy.stats",),
    "sklearn": ("sklearn.metrics",),
    "sqlalchemy": ("sqlalchemy",),
    "starlette": ("starlette.requests", "starlette.responses"),
    "tensorflow": ("tensorflow",),
}
# Set before a package is loaded, unless the user has: ONNX Runtime tells its makers of each use, and writes a
# number of this machine into the user's cache.
_VARIABLES = {"onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"}}
# Not found while a package is loaded. Where they are installed, Keras loads scikit-learn (with SciPy's
# statistics), pyplot and pandas for wrappers, galleries and tables that nothing here uses: 0.9 of 3 seconds.
# TensorFlow loads Keras, and JAX for a converter of its own.
_KERAS_HIDES = ("matplotlib", "matplotlib.pyplot", "pandas", "sklearn")
_HIDDEN = {"keras": _KERAS_HIDES, "tensorflow": ("jax", *_KERAS_HIDES)}


# One thread loads at a time, and changes what all threads share meanwhile: of a package that another one is
# still loading, parts would be missing.
loading = threading.RLock()


def _forget_other_threads() -> None:
    """A process that is forked while another thread loads has no such thread, which would never end."""
    global loading
    loading = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_other_threads)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The package too: one that may not be imported is None there, whatever is loaded of its parts.
    modules = (name, *_MODULES[name])
    with loading:
        if any(sys.modules.get(module) is None for module in modules):
            for variable, value in _VARIABLES.get(name, {}).items():
                os.environ.setdefault(variable, value)
            with _hidden(_HIDDEN.get(name, ())), _without_garbage_collection():
                for module in modules:
                    importlib.import_module(module)
        for module in modules:  # Where somebody else is loading one, this waits for the end of it.
            importlib.import_module(module)
    return sys.modules[name]


class _Hider(MetaPathFinder):
    """Has a thread not find packages that are not loaded yet; other threads find them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        """As Python asks it."""
        if fullname in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Let packages that are not loaded yet be found by this thread only after the block."""
    hider = _Hider(names)
    sys.meta_path.insert(0, hider)
    try:
        yield
    finally:
        sys.meta_path.remove(hider)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Leave what is loaded inside out of all searches for garbage: nothing of it is.

    To load TensorFlow takes a quarter less time so, and the end of its process 0.3 instead of 1.3 seconds.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
