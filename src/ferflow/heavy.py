"""Packages from elsewhere that take long to load, or that an extra brings: each is loaded when it is used.

`from ferflow import heavy`, then `heavy.mlflow.MlflowClient`. A command waits for those it needs alone, and
the others need not be installed; one that is missing is an error that names its extra (`ferflow.extras`).
"""

from __future__ import annotations

import importlib
import os
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
    "sqlalchemy": ("sqlalchemy",),
    "starlette": ("starlette.requests", "starlette.responses"),
    "tensorflow": ("tensorflow",),
}
# Set before a package is loaded, unless the user has: ONNX Runtime tells its makers of each use, and writes a
# number of this machine into the user's cache.
_VARIABLES = {"onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"}}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for variable, value in _VARIABLES.get(name, {}).items():
        os.environ.setdefault(variable, value)
    for module in _MODULES[name]:
        importlib.import_module(module)
    return importlib.import_module(name)
