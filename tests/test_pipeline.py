"""The whole pipeline under DVC: it runs, repeats to the byte, and survives kill -9."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ferflow.params import load_params
from ferflow.profiles import write_profile
from tests.conftest import REPOSITORY

# Small enough for a test; every stage still has real work.
_CHANGES = ("download.sample_images=210", "train.epochs=3", "model.widths=[8, 16]", "model.depths=[1, 1]")
_OUTPUTS = ("data", "models", "reports")


def _copy_repository(target: Path) -> Path:
    """The files of the working tree that git knows or would add, under DVC, with the test's parameters."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source = REPOSITORY / name
        if source.is_file() and not name.startswith(("tests/", "docs/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    write_profile("sample", _CHANGES, profiles=target / "profiles", target=target / "params.yaml")
    return target


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _run(folder: Path, *command: str) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every output file, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in _OUTPUTS
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def _wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the pipeline ran once; tests that change it work on a copy."""
    folder = _copy_repository(tmp_path_factory.mktemp("finished"))
    printed = _run(folder, "dvc", "repro")
    for stage in ("download", "face-filter", "split", "train", "evaluate"):
        assert f"Running stage '{stage}'" in printed
    return folder


@pytest.fixture
def repository(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished repository."""
    return shutil.copytree(finished, tmp_path / "repository", symlinks=True)


def test_pipeline_writes_every_promised_file(finished: Path):
    for name in (
        "data/raw/images.npz",
        "data/raw/index.csv",
        "data/filtered/dropped.csv",
        "data/split/manifest.csv",
        "models/model.keras",
        "reports/data.json",
        "reports/history.csv",
        "reports/history.png",
        "reports/metrics.json",
        "reports/report.html",
        "reports/dropped.png",
    ):
        assert (finished / name).stat().st_size > 0
    metrics = json.loads((finished / "reports" / "metrics.json").read_text())
    assert metrics["num_images"] >= metrics["leak_free"]["num_images"] > 0
    assert "accuracy" in _run(finished, "ferflow", "summary")


def test_second_repro_has_nothing_to_do(finished: Path):
    assert "Data and pipelines are up to date" in _run(finished, "dvc", "repro")


def test_metrics_and_plots_are_known_to_dvc(finished: Path):
    assert "leak_free.accuracy" in _run(finished, "dvc", "metrics", "show")
    _run(finished, "dvc", "plots", "show", "--out", "plots_page")
    assert (finished / "plots_page" / "index.html").stat().st_size > 0


def test_same_params_give_the_same_bytes_in_another_folder(finished: Path, tmp_path: Path):
    other = _copy_repository(tmp_path / "other")
    _run(other, "dvc", "repro")
    assert _digests(other) == _digests(finished)


def test_a_train_key_reruns_train_and_evaluate_only(repository: Path):
    changed = (repository / "params.yaml").read_text().replace("learning_rate: 0", "learning_rate: 0.01 # 0")
    (repository / "params.yaml").write_text(changed)
    assert load_params(repository / "params.yaml").train.learning_rate == 0.01
    stale = _run(repository, "dvc", "status", "--json")
    assert set(json.loads(stale)) == {"train", "evaluate"}


@pytest.mark.parametrize("stage", ["download", "face-filter", "split", "evaluate"])
def test_a_killed_stage_leaves_whole_files_and_completes_when_run_again(repository: Path, stage: str):
    before = _digests(repository)
    started = time.monotonic()
    _run(repository, "ferflow", stage)
    seconds = time.monotonic() - started
    for share in (0.5, 0.8, 0.95):
        process = _start(repository, "ferflow", stage)
        time.sleep(seconds * share)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Nothing half-written: what stands under its own name is what a whole run writes.
        left = {name: digest for name, digest in _digests(repository).items() if ".tmp-" not in name}
        assert left.items() <= before.items()
    _run(repository, "ferflow", stage)
    assert _digests(repository) == before


def test_killed_training_goes_on_and_ends_with_the_same_network(repository: Path):
    before = _digests(repository)
    checkpoints = repository / ".ferflow" / "checkpoints"
    shutil.rmtree(checkpoints)
    for epoch in (1, 2):
        process = _start(repository, "ferflow", "train")
        _wait_for(lambda epoch=epoch: list(checkpoints.glob(f"*/epoch-{epoch:05d}")))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (repository / "models" / "model.keras").unlink(missing_ok=True)
    assert "going on after epoch" in _run(repository, "ferflow", "train")
    assert _digests(repository) == before


def test_dvc_killed_with_its_stage_left_running_then_repro_completes(repository: Path):
    before = _digests(repository)
    for name in ("models", ".ferflow/checkpoints"):
        shutil.rmtree(repository / name)
    shutil.rmtree(repository / ".dvc" / "cache")
    process = _start(repository, "dvc", "repro", "--force", "--single-item", "train")
    _wait_for(lambda: list((repository / ".ferflow" / "checkpoints").glob("*/epoch-*")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert any(child.is_running() for child in children)
    printed = _run(repository, "make", "--no-print-directory", "-o", "install", "repro")
    assert "Running stage 'train'" in printed
    assert _digests(repository) == before
