"""The whole pipeline under DVC: it runs, repeats to the byte, and survives kill -9."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import mlflow
import numpy as np
import psutil
import pytest
from mlflow import MlflowClient

from ferflow.data.store import read_arrays, read_csv
from ferflow.locks import stage_lock
from ferflow.params import load_params, read_yaml
from ferflow.profiles import write_profile
from ferflow.tracking import names
from ferflow.tracking.lineage import flat
from ferflow.tracking.store import client, experiment_id
from tests.lives import Lives
from tests.working_copy import copy_working_tree

# Small enough for a test; every stage still has real work.
_CHANGES = ("download.sample_images=210", "train.epochs=3", "model.widths=[8, 16]", "model.depths=[1, 1]")
_OUTPUTS = ("data", "models", "reports")


def _copy_repository(target: Path) -> Path:
    """The working tree under DVC, with the test's parameters."""
    copy_working_tree(target)
    write_profile("sample", _CHANGES, profiles=target / "profiles", target=target / "params.yaml")
    return target


def _environment(*, tracking: str = "off") -> dict[str, str]:
    # Without what other tests of this process have MLflow set.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "FERFLOW_TRACKING": tracking,
    }


def _run(folder: Path, *command: str, tracking: str = "off") -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(tracking=tracking),
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
    printed = _run(folder, "dvc", "repro", tracking="on")
    for stage in ("download", "face-filter", "split", "train", "evaluate"):
        assert f"Running stage '{stage}'" in printed
    return folder


@pytest.fixture
def store(finished: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The embedded store of that repository."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return client(finished)


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
        "reports/scores.json",
        "reports/report.html",
        "reports/dropped.png",
    ):
        assert (finished / name).stat().st_size > 0
    metrics = json.loads((finished / "reports" / "metrics.json").read_text())
    assert metrics["num_images"] >= metrics["leak_free"]["num_images"] > 0
    assert "accuracy" in _run(finished, "ferflow", "summary")


def test_second_repro_has_nothing_to_do(finished: Path):
    assert "Data and pipelines are up to date" in _run(finished, "dvc", "repro", tracking="on")


def test_a_repro_is_one_finished_run_whose_digests_are_those_of_dvc(finished: Path, store: MlflowClient):
    runs = store.search_runs([experiment_id(store)])
    assert [run.info.status for run in runs] == ["FINISHED"], (store.tracking_uri, runs)
    (run,) = runs
    stages = read_yaml(finished / "dvc.lock")["stages"]
    for stage, entry in stages.items():
        outputs = sorted((output["path"], output["md5"]) for output in entry["outs"])
        tag = run.data.tags[names.tag_of_stage(stage)]
        assert tag == ", ".join(f"{path} {digest}" for path, digest in outputs)
    assert run.data.params == flat(load_params(finished / "params.yaml").model_dump(mode="json"))


@pytest.mark.slow
def test_the_champion_gives_the_probabilities_of_the_evaluation(finished: Path, store: MlflowClient):
    printed = _run(finished, "ferflow", "register", "--force", tracking="on")  # It has learnt too little.
    assert "champion: version 1" in printed
    champion = mlflow.pyfunc.load_model(f"models:/{names.REGISTERED_MODEL}@{names.CHAMPION}")
    images = read_arrays(finished / "data/split/test.npz", ("images",))["images"]
    pictures = np.empty(len(images), object)
    pictures[:] = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    written = read_csv(finished / "reports/predictions.csv", ("file", "predicted"))
    for faces in (images, pictures):
        answers = champion.predict(faces)
        assert answers["label"].tolist() == written["predicted"].tolist()
        for column in (name for name in written if name.startswith("p_")):
            assert np.abs(answers[column].to_numpy() - written[column].astype(float)).max() <= 1e-5


@pytest.mark.slow
def test_metrics_and_plots_are_known_to_dvc(finished: Path):
    assert "accuracy_leak_free" in _run(finished, "dvc", "metrics", "show")
    _run(finished, "dvc", "plots", "show", "--out", "plots_page")
    assert (finished / "plots_page" / "index.html").stat().st_size > 0


@pytest.mark.slow
def test_same_params_give_the_same_bytes_in_another_folder(finished: Path, tmp_path: Path):
    other = _copy_repository(tmp_path / "other")
    _run(other, "dvc", "repro")
    assert _digests(other) == _digests(finished)


@pytest.mark.slow
def test_a_train_key_reruns_train_and_evaluate_only(repository: Path):
    changed = (repository / "params.yaml").read_text().replace("learning_rate: 0", "learning_rate: 0.01 # 0")
    (repository / "params.yaml").write_text(changed)
    assert load_params(repository / "params.yaml").train.learning_rate == 0.01
    printed = _run(repository, "dvc", "repro")
    assert re.findall(r"Running stage '(.*)'", printed) == ["train", "evaluate"]


# For `Lives`: runs a stage, which dies by SIGKILL at the n-th rename (to a name, where one is given), before
# it or after it: between two of them a result of several files could be half old, half new.
_DIE_AT_RENAME = """
import json, os, signal, sys
from pathlib import Path
from ferflow.cli.app import main
import ferflow.stages.download, ferflow.stages.face_filter, ferflow.stages.split

sys.argv[0] = "ferflow"
if "train" in sys.argv:
    from ferflow.model.backend import load_keras
    load_keras()

def dying(rename, place, moment, name):
    def replacement(path, target):
        global renames
        is_counted = name in ("", Path(target).name)
        renames += is_counted
        is_there = is_counted and renames == place
        if is_there and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = rename(path, target)
        if is_there and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return replacement

for line in sys.stdin:
    place, moment, name = json.loads(line)
    child = os.fork()
    if not child:
        code, renames = 99, 0
        os.dup2(2, 1)
        Path.rename, Path.replace = (
            dying(rename, place, moment, name) for rename in (Path.rename, Path.replace)
        )
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def _lives(repository: Path, stage: str) -> Lives:
    """Lives of a stage, each with the place, the moment and the name of its last rename."""
    return Lives(_DIE_AT_RENAME, stage, log=repository / "log", cwd=repository, env=_environment())


_UNITS = ("data/raw", "data/filtered", "data/split")


def _units(folder: Path) -> dict[str, dict[str, str]]:
    """The digests of each unit of output: a data folder as a whole, or one file of the reports."""
    units: dict[str, dict[str, str]] = {}
    for name, digest in _digests(folder).items():
        unit = next((unit for unit in _UNITS if name.startswith(f"{unit}/")), name)
        units.setdefault(unit, {})[name] = digest
    return {unit: names for unit, names in units.items() if ".tmp-" not in unit}


def _change_params(folder: Path) -> None:
    """Change a number of each data stage, so that its results differ from the finished ones."""
    text = (folder / "params.yaml").read_text()
    for old, new in (
        ("seed: 20131", "seed: 7"),
        ("validation_share: 0.1 ", "validation_share: 0.2 "),
        ("scheme: kaggle", "scheme: paper"),
        ("min_score: 0.35", "min_score: 0.6"),
        # Not higher: each look that is taken costs more than the one before.
        ("accept_score: 0.5", "accept_score: 0.6"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["download", "face-filter", "split"])
def test_a_stage_killed_at_any_rename_leaves_old_or_new_and_completes(repository: Path, stage: str):
    old = _units(repository)
    _change_params(repository)
    shutil.copytree(repository, repository.with_name("clean"), symlinks=True)
    _run(repository.with_name("clean"), "ferflow", stage)
    new = _units(repository.with_name("clean"))
    assert new != old
    num_kills = 0
    with _lives(repository, stage) as lives:
        for place, moment in itertools.product(range(1, 9), ("before", "after")):
            code = lives.live(place, moment, "")
            if code == 0:  # It has fewer renames than that.
                break
            assert code == -signal.SIGKILL, lives.printed()
            num_kills += 1
            for unit, digests in _units(repository).items():
                assert digests in (old.get(unit), new.get(unit)), f"{unit} is torn"
    assert num_kills >= 6
    _run(repository, "ferflow", stage)
    assert _units(repository) == new
    assert not list(repository.glob("**/*.tmp-*"))


@pytest.mark.slow
def test_two_runs_of_a_stage_do_not_write_at_the_same_time(repository: Path):
    before = _digests(repository)
    (repository / "data" / "split" / "manifest.csv").unlink()
    with stage_lock("split", directory=repository / ".ferflow" / "locks"):
        log = (repository / "log").open("w+")
        second = subprocess.Popen(["ferflow", "split"], cwd=repository, env=_environment(), stderr=log)
        _wait_for(lambda: "waiting" in (repository / "log").read_text())
        assert f"stage split is being run by process {os.getpid()}" in (repository / "log").read_text()
        assert not (repository / "data" / "split" / "manifest.csv").exists()
    assert second.wait(timeout=60) == 0
    log.close()
    assert _digests(repository) == before


@pytest.mark.slow
def test_killed_training_goes_on_and_ends_with_the_same_network(repository: Path):
    before = _digests(repository)
    checkpoints = repository / ".ferflow" / "checkpoints"
    shutil.rmtree(checkpoints)
    (repository / "models" / "model.keras").unlink()
    with _lives(repository, "train") as lives:
        for epoch in (1, 2):
            assert lives.live(1, "after", f"epoch-{epoch:05d}") == -signal.SIGKILL, lives.printed()
            assert list(checkpoints.glob(f"*/epoch-{epoch:05d}"))
            assert not (repository / "models" / "model.keras").exists()
        assert "going on after epoch 1" in lives.printed()
        assert lives.live(0, "", "") == 0, lives.printed()
        assert "going on after epoch 2" in lives.printed()
    assert _digests(repository) == before


@pytest.mark.slow
def test_dvc_killed_with_its_stage_left_running_then_repro_completes(repository: Path):
    before = _digests(repository)
    # Nothing to restore the result from: it must be trained.
    for name in ("models", ".ferflow/checkpoints", ".dvc/cache"):
        shutil.rmtree(repository / name)
    (repository / "dvc.lock").unlink()
    process = _start(repository, "dvc", "repro", "--force", "--single-item", "train")
    _wait_for(lambda: list((repository / ".ferflow" / "checkpoints").glob("*/epoch-*")))
    stage = next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "train" in child.cmdline() and not child.children()
    )
    stage.suspend()
    process.kill()
    process.wait()
    with (repository / "log").open("w") as log:
        command = ["make", "--no-print-directory", "-o", "install", "repro"]
        second = subprocess.Popen(command, cwd=repository, env=_environment(), stdout=log, stderr=log)
    message = f"stage train is being run by process {stage.pid}; waiting"
    _wait_for(lambda: message in (repository / "log").read_text())
    stage.resume()
    assert second.wait(timeout=120) == 0, (repository / "log").read_text()
    assert _digests(repository) == before
