"""Checks of the machine, each with the cure for what it finds wrong."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ferflow.errors import FerflowError
from ferflow.params import Params, load_params

# What the packages do not need themselves: data, DVC's cache of it, checkpoints, models.
_DISK_BYTES = 5 * 2**30


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        subject: What was looked at.
        passed: Whether the pipeline can run with it.
        finding: What was found.
        cure: What to do; empty where nothing is wrong.
    """

    subject: str
    passed: bool
    finding: str
    cure: str = ""


def check_machine(params_path: Path) -> list[Check]:
    """Look at Python, disk, backend, DVC, parameters, data and detector.

    Args:
        params_path: The parameter file.
    """
    checks = [_check_python(), _check_disk(Path.cwd()), _check_backend(), _check_dvc(Path.cwd())]
    try:
        params = load_params(params_path)
    except FerflowError as error:
        return [*checks, Check("params", False, str(error), "mend the file, or run 'ferflow profile sample'")]
    checks.append(Check("params", True, f"{params_path}: profile {params.profile}"))
    return [*checks, _check_data(params), _check_detector(params)]


def _check_python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check(
        "python", sys.version_info[:2] == (3, 11), found, "install Python 3.11 and run 'make install'"
    )


def _check_disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    finding = f"{free / 2**30:.0f} GiB free{'' if writable else ', the folder is read-only'}"
    return Check(
        "disk", free >= _DISK_BYTES and writable, finding, "make 5 GiB free in a folder you can write to"
    )


def _check_backend() -> Check:
    try:
        from ferflow.model.backend import load_keras

        keras = load_keras()
        devices = [str(device) for device in keras.distribution.list_devices()]
    except (ImportError, ValueError, OSError, RuntimeError) as error:
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        cure = "run 'make install', or set KERAS_BACKEND to tensorflow or jax"
        return Check("backend", False, f"{name} cannot be loaded ({error})", cure)
    gpus = sum(device.startswith("gpu") for device in devices)
    machine = f"{gpus} GPU" if gpus else f"no GPU, {os.cpu_count()} CPU cores"
    return Check("backend", True, f"Keras {keras.__version__} on {keras.backend.backend()}, {machine}")


def _check_dvc(folder: Path) -> Check:
    try:
        version = importlib.metadata.version("dvc")
    except importlib.metadata.PackageNotFoundError:
        return Check("dvc", False, "not installed", "run 'make install', or install ferflow[pipeline]")
    if shutil.which("dvc") is None:
        return Check("dvc", False, "not on the PATH", "run 'source .venv/bin/activate', or use make")
    if not (folder / ".dvc").is_dir():
        return Check(
            "dvc", False, f"{folder} is no DVC repository", "run the command in the repository's folder"
        )
    return Check("dvc", True, version)


def _check_data(params: Params) -> Check:
    source, path = params.download.source, params.download.path
    if source in ("archive", "csv"):
        cure = f"put the file there, or mend download.path in params.yaml (source {source})"
        return Check("data", Path(str(path)).exists(), f"{source} {path}", cure)
    if source == "kaggle":
        try:
            version = importlib.metadata.version("kagglehub")
        except importlib.metadata.PackageNotFoundError:
            return Check(
                "data", False, "kagglehub is not installed", "install ferflow[kaggle], or use source archive"
            )
        return Check("data", True, f"kaggle, by kagglehub {version}; needs the network")
    return Check("data", True, f"sample of {params.download.sample_images:,} drawn faces, made here")


def _check_detector(params: Params) -> Check:
    detector = params.download.detector
    if detector in ("auto", "haar"):
        finding = {
            "auto": "YuNet, fetched by the download stage; needs the network",
            "haar": "Haar, in OpenCV",
        }
        return Check("detector", True, finding[detector])
    cure = "put YuNet's ONNX file there, or set download.detector to auto or haar"
    return Check("detector", Path(detector).is_file(), detector, cure)
