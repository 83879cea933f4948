"""Checks of the machine, each with the cure for what it finds wrong."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ferflow import model, path_hook
from ferflow.data import origins
from ferflow.data.faces.detector_at_hand import describe_detector
from ferflow.errors import FerflowError
from ferflow.model import optimizers
from ferflow.params import Params, load_params
from ferflow.tracking.address import DATABASE, database_of, is_embedded, shown, tracking_uri
from ferflow.tracking.outbox.net import within
from ferflow.tracking.outbox.recording import is_on
from ferflow.tracking.store import check_writing

_GIB = 2**30
# Of FER-2013; the sample has fewer.
_NUM_IMAGES = 35_887
_IMAGE_BYTES = 48 * 48
# Raw, filtered and split images, each with its copy in DVC's cache, and one that is being written.
_COPIES_OF_IMAGES = 7
# The network in models/, DVC's cache, the store of runs and the export, and one that is being written.
_COPIES_OF_NETWORK = 5
# Generations of checkpoints: two of each of three runs, and one that is being written.
_CHECKPOINTS = 7
# Reports, logs, the databases of runs and of studies.
_SPARE_BYTES = 2**29
_TOOL_SECONDS = 20
_STORE_SECONDS = 60


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
    """Look at Python, git, DVC, backend, parameters, disk, data, detector and the store of runs.

    Args:
        params_path: The parameter file.
    """
    folder = Path.cwd()
    checks = [_check_python(), _check_git(folder), _check_dvc(folder), _check_path(), _check_backend()]
    try:
        params = load_params(params_path)
    except FerflowError as error:
        cure = "correct the file, or run 'ferflow profile sample'"
        return [*checks, Check("params", False, str(error), cure), _check_disk(folder, None)]
    checks.append(Check("params", True, f"{params_path}: profile {params.profile}"))
    checks.append(_check_disk(folder, params))
    return [*checks, _check_data(params), _check_detector(params), _check_store(folder)]


def _check_python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    is_known = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Check("python", is_known, found, "install Python 3.11, 3.12 or 3.13 and run 'make install'")


def _check_disk(folder: Path, params: Params | None) -> Check:
    """Whether there is room for what the parameters will write."""
    free = shutil.disk_usage(folder).free
    needed = needed_bytes(params)
    finding = f"{free / _GIB:.1f} GiB free, {needed / _GIB:.1f} GiB needed"
    if params is not None:
        finding += f" by profile {params.profile}"
    if not os.access(folder, os.W_OK):
        return Check(
            "disk", False, f"{folder} is read-only for this user", "give it the right to write, or copy it"
        )
    cure = f"make {needed / _GIB:.1f} GiB free there, or choose a smaller profile ('ferflow profile sample')"
    return Check("disk", free >= needed, finding, cure)


def needed_bytes(params: Params | None) -> int:
    """Bytes that a run of the pipeline writes at most: data, checkpoints, networks and their copies.

    Args:
        params: The parameters; without them those of profile paper are assumed.
    """
    num_parameters, slots, num_images = 30_000_000, 2, _NUM_IMAGES
    if params is not None:
        num_parameters = _num_parameters(params) or num_parameters
        slots = optimizers.REGISTRY.get(params.train.optimizer).num_slots
        num_images = getattr(params.download.source_options, "sample_images", num_images)
    network = 4 * num_parameters  # float32
    # Weights as they are, their best so far, and what the optimizer keeps.
    checkpoint = network * (2 + slots)
    images = num_images * _IMAGE_BYTES * _COPIES_OF_IMAGES
    return images + checkpoint * _CHECKPOINTS + network * _COPIES_OF_NETWORK + _SPARE_BYTES


def _num_parameters(params: Params) -> int | None:
    """Of the network; None where it cannot be built, which another check says."""
    try:
        return model.network.parameter_counts(params.model).total
    except (ImportError, ValueError, OSError, RuntimeError, FerflowError):
        return None


def _check_backend() -> Check:
    try:
        keras = model.backend.load_keras()
        devices = [str(device) for device in keras.distribution.list_devices()]
    except (ImportError, ValueError, OSError, RuntimeError, FerflowError) as error:
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        cure = "run 'make install', or set KERAS_BACKEND to tensorflow or jax"
        return Check("backend", False, f"{name} cannot be loaded ({error})", cure)
    gpus = sum(device.startswith("gpu") for device in devices)
    machine = f"{gpus} GPU" if gpus else f"no GPU, {os.cpu_count()} CPU cores"
    return Check("backend", True, f"Keras {keras.__version__} on {keras.backend.backend()}, {machine}")


def _check_git(folder: Path) -> Check:
    """DVC needs a repository of git, with a commit for its experiments."""
    if shutil.which("git") is None:
        return Check("git", False, "not installed", "install git (apt install git, or git-scm.com)")
    done = _run("git", "rev-parse", "--show-toplevel", folder=folder)
    if done.returncode == 0:
        if _run("git", "rev-parse", "--verify", "HEAD", folder=folder).returncode == 0:
            return Check("git", True, f"repository {done.stdout.strip()}")
        cure = "run 'git add --all && git commit --message start'"
        return Check("git", False, f"{folder} has no commit yet", cure)
    if "dubious ownership" in done.stderr:
        cure = f"run 'git config --global --add safe.directory {folder}', or give the folder to this user"
        return Check("git", False, f"{folder} belongs to another user, so git does not read it", cure)
    if _is_without_git(folder):
        return Check("git", True, "no repository, and DVC is set up to work without (core.no_scm)")
    cure = (
        "clone the repository instead of downloading it, or run 'git init && git add --all && "
        "git commit --message start' here"
    )
    return Check("git", False, f"{folder} is in no git repository, and DVC needs one", cure)


def _is_without_git(folder: Path) -> bool:
    try:
        settings = (folder / ".dvc" / "config").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return re.search(r"^\s*no_scm\s*=\s*true\s*$", settings, re.IGNORECASE | re.MULTILINE) is not None


def _run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool in a folder; one that hangs or cannot be started counts as failed."""
    environment = {**os.environ, "LC_ALL": "C"}  # Its messages are read.
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TOOL_SECONDS,
            env=environment, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _check_dvc(folder: Path) -> Check:
    try:
        version = importlib.metadata.version("dvc")
    except importlib.metadata.PackageNotFoundError:
        return Check("dvc", False, "not installed", "run 'make install', or install ferflow[pipeline]")
    beside = tool_beside("dvc")
    if shutil.which("dvc") is None and beside is None:
        return Check("dvc", False, "not on the PATH", "run 'source .venv/bin/activate', or use make")
    if not (folder / ".dvc").is_dir():
        cure = "go to the repository's folder, or run 'dvc init' here"
        return Check("dvc", False, f"{folder} is no DVC repository", cure)
    called = "" if shutil.which("dvc") else f"; not on the PATH, call it as {beside}"
    return Check("dvc", True, f"{version}{called}")


def _check_path() -> Check:
    """DVC runs the stages by a shell, which looks for `ferflow` on the PATH."""
    found, beside = shutil.which("ferflow"), tool_beside("ferflow")
    if found is not None:
        return Check("path", True, f"ferflow is {found}")
    if beside is not None and path_hook.is_installed():
        return Check(
            "path", True, f"ferflow is {beside}; Python of this environment adds its folder to the PATH"
        )
    activate = Path(sys.prefix) / "bin" / "activate"
    cure = f"run 'source {activate}', or once '{sys.executable} -m ferflow.path_hook'"
    return Check("path", False, "ferflow is not on the PATH, so 'dvc repro' would not find it", cure)


def tool_beside(name: str) -> Path | None:
    """A program of the environment that this Python is of, be it on the PATH or not."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    return None if found is None else Path(found)


def _check_data(params: Params) -> Check:
    source, path = params.download.source, params.download.path
    needs = origins.REGISTRY.get(source).needs
    if needs is not None and importlib.util.find_spec(needs) is None:
        cure = f"install {needs}, or set download.source to another one"
        return Check("data", False, f"{needs} is not installed", cure)
    if path is not None:
        cure = f"put the file there, or correct download.path in params.yaml (source {source})"
        return Check("data", Path(path).exists(), f"{source} {path}", cure)
    return Check("data", True, f"{source}: {origins.REGISTRY.summary(source)}")


def _check_detector(params: Params) -> Check:
    detector = params.download.detector
    if detector in ("auto", "haar"):
        finding = "Haar, in OpenCV" if detector == "haar" else describe_detector()
        return Check("detector", True, finding)
    cure = "put YuNet's ONNX file there, or set download.detector to auto or haar"
    return Check("detector", Path(detector).is_file(), detector, cure)


def _check_store(folder: Path) -> Check:
    """Whether runs can be kept: the store answers, and takes what is written to it."""
    if not is_on():
        return Check("store", True, "runs are not recorded (FERFLOW_TRACKING=off)")
    if importlib.util.find_spec("mlflow") is None:
        return Check(
            "store", False, "MLflow is not installed", "run 'make install', or install ferflow[tracking]"
        )

    uri = tracking_uri(folder)
    _, reason = within(lambda: is_embedded(folder, uri), seconds=_STORE_SECONDS)
    if reason is None and is_embedded(folder, uri) and not database_of(folder).exists():
        place = next(path for path in database_of(folder).parents if path.exists())
        cure = "give this user the right to write there, or name another store in MLFLOW_TRACKING_URI"
        return Check(
            "store", os.access(place, os.W_OK), f"{DATABASE}, made by the first run in {place}", cure
        )
    _, reason = within(lambda: check_writing(folder), seconds=_STORE_SECONDS, hint=f"{shown(uri)} is slow")
    if reason is None:
        return Check("store", True, f"{shown(uri)}: reached, and can be written")
    finding, _, cure = reason.partition("; ")
    return Check(
        "store", False, finding, cure or "see docs/tracking.md; 'ferflow track sync' sends runs later"
    )
