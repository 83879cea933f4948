"""Where a run comes from: parameters, code, data, machine, as tags and names."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ferflow import paths
from ferflow.data.store import read_arrays
from ferflow.errors import ParamsError
from ferflow.files import sha256_of, write_json
from ferflow.params import ModelParams, Params
from ferflow.profiles import load_profile
from ferflow.stages.table import BEFORE_TRAINING, STAGES
from ferflow.tracking import names
from ferflow.tracking.outbox.journal import Subset

# Stages whose outputs lie there when a stage has ended.
ALL_STAGES = tuple(STAGES)
STAGES_TO_TRAIN = (*BEFORE_TRAINING, "train")
_SECONDS_FOR_TOOLS = 10
# Sections of which a run's name tells what differs from its profile, and how many keys it names.
_LEARNT_BY = {"seed", "split", "model", "augment", "train"}
_IN_EVERY_NAME = {
    "model.backbone",
    "model.image_size",
    "train.optimizer",
    "train.learning_rate",
    "train.epochs",
}
_NAMED_KEYS = 3
# Among the reports of a pipeline's steps: stage to the digests of its outputs.
NOTES = "lineage.json"


def flat(values: dict[str, Any]) -> dict[str, str]:
    """Every leaf of parameters by its dotted name, such as `train.learning_rate`; lists are one leaf."""
    found: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}.{key}" if name else key, inner)
        else:
            found[name] = value if isinstance(value, str) else json.dumps(value)

    add("", values)
    return found


def run_name(params: Params) -> str:
    """What people call the run, such as `cpu resnet_v2 48px sgd 0.05 32 epochs dropout_head 0.3`.

    What differs from the profile is at its end, as far as the profile's file is at hand.
    """
    model, train = params.model, params.train
    name = f"{params.profile} {model.backbone} {model.image_size}px {train.optimizer} {train.learning_rate:g}"
    changed = _changed(params)
    shown = [f"{key.rsplit('.', 1)[-1]} {value}" for key, value in changed[:_NAMED_KEYS]]
    more = [f"+{len(changed) - _NAMED_KEYS}"] if len(changed) > _NAMED_KEYS else []
    return " ".join([name, f"{train.epochs} epochs", *shown, *more])


def _changed(params: Params) -> list[tuple[str, str]]:
    """Keys that decide what the network learns and differ from the profile, with their values."""
    try:
        whole = load_profile(params.profile, profiles=paths.PROFILES)
    except ParamsError:
        return []
    before, now = (flat(values.model_dump(mode="json", include=_LEARNT_BY)) for values in (whole, params))
    return [(key, now[key]) for key in now if now[key] != before.get(key) and key not in _IN_EVERY_NAME]


def _options(model: ModelParams) -> str:
    """The stem of a backbone that has a choice of them, such as `(stem stride1) `."""
    stem = getattr(model.backbone_options, "stem", None)
    return "" if stem is None else f"(stem {stem}) "


def describe(params: Params) -> str:
    """What the run is, in words."""
    model, train = params.model, params.train
    start = "from scratch" if model.weights is None else f"from weights {Path(model.weights).name}"
    averaging = params.evaluate.test_time_augmentation
    views = "" if averaging == "none" else f"; answers are averaged over {averaging} views"
    return (
        f"Profile {params.profile} on {params.download.source}: {model.backbone} at {model.image_size} px "
        f"{_options(model)}{start}, {train.optimizer} at {train.learning_rate:g} ({train.schedule}), "
        f"up to {train.epochs} epochs of batches of {train.batch_size}{views}."
    )


def tags(root: Path, params: Params, stages: Iterable[str]) -> dict[str, str]:
    """The lineage of a run as tags; what cannot be found out is left out.

    Args:
        root: The repository's folder.
        params: The parameters.
        stages: Those whose outputs are there and belong to the run.
    """
    found = {
        **_git_tags(root),
        **stage_digests(root, stages),
        **tags_of_data(root),
        names.TAG_PROFILE: params.profile,
        names.TAG_HARDWARE: hardware(),
    }
    kubeflow = {names.TAG_KFP_RUN: "KFP_RUN_ID", names.TAG_KFP_URL: "KFP_RUN_URL"}
    found |= {tag: os.environ[name] for tag, name in kubeflow.items() if os.environ.get(name)}
    return found


def tags_of_data(root: Path) -> dict[str, str]:
    """SHA-256 of the split's manifest and of the test subset."""
    found = {}
    for name, path in ((names.TAG_SPLIT, "manifest.csv"), (names.TAG_TEST, "test.npz")):
        if (root / paths.SPLIT / path).is_file():
            found[name] = sha256_of(root / paths.SPLIT / path)
    return found


def subsets(root: Path, wanted: Iterable[str]) -> list[Subset]:
    """Data sets of the split, of those wanted which are there."""
    found = []
    for name in wanted:
        path = paths.SPLIT / f"{name}.npz"
        if (root / path).is_file():
            number = len(read_arrays(root / path, ("labels",))["labels"])
            found.append(Subset(name, str(path), sha256_of(root / path), number))
    return found


def stage_digests(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """Tags such as `dvc.train.md5`: each output of a stage with the md5 that `dvc.lock` gives it.

    They are taken from the outputs themselves, so that they are true without DVC, too, and before it
    has written the lock of the stage that runs. In a step of a pipeline, where outputs of earlier steps are
    not at hand, those are taken that the earlier steps wrote down.

    Args:
        root: The repository's folder.
        stages: Those whose outputs are there.
    """
    noted = _noted(root)
    found = {}
    for stage in stages:
        listed = sorted(str(path) for path in STAGES[stage].outputs)
        digests = [f"{path} {_dvc_md5(root / path)}" for path in listed if (root / path).exists()]
        text = ", ".join(digests)
        if len(digests) < len(listed):
            text = noted.get(stage, text)
        if text:
            found[names.tag_of_stage(stage)] = text
    return found


def note_stage(reports: Path, stage: str, places: Mapping[Path, Path]) -> None:
    """Write down the digests of a stage's outputs among the reports, for the steps after it.

    Args:
        reports: Folder of the reports that is handed on.
        stage: Name of the stage.
        places: Output, as the table of stages names it, to where it lies in this step.

    Raises:
        OutputError: They cannot be written.
    """
    digests = [f"{path} {_dvc_md5(place)}" for path, place in sorted(places.items()) if place.exists()]
    write_json(reports / NOTES, {**_read_notes(reports / NOTES), stage: ", ".join(digests)})


def _noted(root: Path) -> dict[str, str]:
    """What earlier steps of a pipeline wrote down; nothing in a repository, which has the outputs."""
    return {} if (root / "dvc.yaml").is_file() else _read_notes(root / paths.REPORTS / NOTES)


def _read_notes(path: Path) -> dict[str, str]:
    try:
        return TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except (OSError, ValueError):
        return {}


def _dvc_md5(path: Path) -> str:
    """The md5 by which DVC knows a file, or a folder: that of the list of its files."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    files = sorted((entry.relative_to(path).parts, entry) for entry in path.rglob("*") if entry.is_file())
    listed = [{"md5": _dvc_md5(entry), "relpath": "/".join(parts)} for parts, entry in files]
    content = json.dumps(listed, sort_keys=True).encode()
    return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"


def _git_tags(root: Path) -> dict[str, str]:
    commit = _output(["git", "rev-parse", "HEAD"], root)
    if not commit:
        return _commit_of_code()
    changed = _output(["git", "status", "--porcelain", "--untracked-files=no"], root)
    return {names.TAG_COMMIT: commit, names.TAG_DIRTY: "true" if changed else "false"}


def _commit_of_code() -> dict[str, str]:
    """The commit of the code that runs, where the working folder is in no repository, as in a step.

    An image is told its commit when it is built; an editable installation lies in its repository.
    """
    if commit := os.environ.get("FERFLOW_GIT_COMMIT", ""):
        return {names.TAG_COMMIT: commit, names.TAG_DIRTY: os.environ.get("FERFLOW_GIT_DIRTY", "") or "false"}
    source = Path(__file__).resolve().parents[3]
    if not (source / "dvc.yaml").is_file():
        return {}
    commit = _output(["git", "rev-parse", "HEAD"], source)
    if not commit:
        return {}
    changed = _output(["git", "status", "--porcelain", "--untracked-files=no"], source)
    return {names.TAG_COMMIT: commit, names.TAG_DIRTY: "true" if changed else "false"}


def user_name() -> str:
    """Who runs this; a number where the user has no name, as in a container started with `-u`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def hardware() -> str:
    """Processor, cores, memory and GPUs, such as `x86_64 ..., 2 cores, 23 GiB; no GPU`."""
    model = platform.processor() or platform.machine()
    memory = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        memory = f", {pages * size / 2**30:.0f} GiB"
    except (OSError, ValueError):
        pass
    listed = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], Path.cwd())
    gpus = ", ".join(listed.splitlines()) if listed else "no GPU"
    return f"{model}, {os.cpu_count()} cores{memory}; {gpus}"


def _output(command: list[str], folder: Path) -> str:
    """What a tool prints; empty where it is absent, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS_FOR_TOOLS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
