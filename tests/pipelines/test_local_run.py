"""Both pipelines for real on this machine: every component, reduced to small sample and few epochs."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ferflow.params import load_params
from ferflow.profiles import write_profile
from ferflow.tracking import names
from ferflow.tracking.store import client, experiment_id
from tests.conftest import REPOSITORY, made_once

_CHANGES = (
    "download.sample_images=210",
    "train.epochs=2",
    "model.widths=[8, 16]",
    "model.depths=[1, 1]",
    "tune.trials=2",
    "tune.pruner=none",
)
_STEPS = [
    "check-parameters",
    "download",
    "face-filter",
    "split",
    "train",
    "evaluate",
    "register",
    "report-end",
]


class Ran:
    """A pipeline that ran in a folder of its own."""

    def __init__(self, root: Path, printed: str) -> None:
        self.root = root
        self.printed = printed

    @property
    def store(self) -> MlflowClient:
        return client(self.root)

    @property
    def trained(self) -> Run:
        """The run in MLflow of the training; a sweep has runs of its trials beside it."""
        found = self.store.search_runs([experiment_id(self.store)])
        (scored,) = (run for run in found if names.TEST_ACCURACY in run.data.metrics)
        return scored

    @property
    def log(self) -> str:
        """All that the steps printed."""
        (path,) = self.root.glob(".ferflow/pipelines/*/log.txt")
        return path.read_text(encoding="utf-8")

    def outputs(self, step: str) -> Path:
        (found,) = self.root.glob(f".ferflow/pipelines/*/steps/*/{step}")
        return found

    def metadata(self, step: str, artifact: str) -> dict:
        content = json.loads((self.outputs(step) / "executor_output.json").read_text())
        return content["artifacts"][artifact]["artifacts"][0]["metadata"]


def _start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    root.mkdir()
    write_profile("sample", _CHANGES, profiles=REPOSITORY / "profiles", target=root / "params.yaml")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MLFLOW_TRACKING_URI", "FERFLOW_TRACKING")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "run", *arguments],
        cwd=root,
        env={**environment, "PYTHONPATH": str(REPOSITORY), "TF_NUM_INTRAOP_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# A busy machine takes long to load TensorFlow a dozen times.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> dict[str, Ran]:
    """Both pipelines, each on a core of its own."""

    def make(folder: Path) -> None:
        folder.mkdir()
        processes = {
            "training": _start(folder / "training", "training"),
            "sweep": _start(folder / "sweep", "sweep", "--workers", "2"),
        }
        printed = {name: process.communicate(timeout=500)[0] for name, process in processes.items()}
        for name, process in processes.items():
            assert process.returncode == 0, printed[name][-3000:]
            (folder / f"{name}.txt").write_text(printed[name], encoding="utf-8")

    folder = made_once(tmp_path_factory, "pipelines", make)
    return {name: Ran(folder / name, (folder / f"{name}.txt").read_text()) for name in ("training", "sweep")}


@pytest.fixture(params=["training", "sweep"])
def run(request, ran, monkeypatch) -> Ran:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return ran[request.param]


@pytest.fixture
def sweep(ran) -> Ran:
    return ran["sweep"]


@pytest.mark.slow
def test_every_step_runs_and_a_model_is_registered(run):
    for step in _STEPS:
        assert re.search(rf"^{step} +done +\d", run.printed, re.MULTILINE)
        assert f"'{step}'" in run.log
        assert (run.outputs(step) / "executor_output.json").is_file()
    (version,) = run.store.search_model_versions(f"name='{names.REGISTERED_MODEL}'")
    assert version.version in ("1", 1)
    assert "gate.decision" in version.tags


@pytest.mark.slow
def test_a_person_sees_a_line_a_step_the_figures_and_the_version(run):
    lines = run.printed.strip().splitlines()
    assert len(lines) < 24
    written = json.loads((run.outputs("evaluate") / "reports" / "metrics.json").read_text())
    assert f"accuracy   {written['accuracy']:.4f} (" in run.printed
    assert "registered as version 1" in run.printed
    assert "http" not in run.printed


@pytest.mark.slow
def test_one_run_in_mlflow_holds_training_and_scores_and_names_the_pipelines_run(run):
    found = run.trained
    assert found.info.status == "FINISHED"
    assert len(run.store.get_metric_history(found.info.run_id, "val_accuracy")) == 2
    kfp_run = found.data.tags[names.TAG_KFP_RUN]
    assert names.TAG_KFP_URL not in found.data.tags  # There is no page of it.
    assert f"ferflow run {kfp_run}: succeeded" in run.log


@pytest.mark.slow
def test_the_registration_in_kubeflow_names_the_run_in_mlflow(run):
    found = run.trained
    assert run.metadata("register", "registration")["mlflow_run_id"] == found.info.run_id
    words = (run.outputs("register") / "registration").read_text()
    assert "registered as version 1" in words
    assert found.info.run_id in words


@pytest.mark.slow
def test_kubeflow_is_shown_figures_confusions_and_a_curve(run):
    metrics = run.metadata("evaluate", "metrics")
    written = json.loads((run.outputs("evaluate") / "reports" / "metrics.json").read_text())
    assert metrics["accuracy"] == written["accuracy"]
    assert metrics["leak_free_accuracy"] == written["leak_free"]["accuracy"]
    shown = run.metadata("evaluate", "classes")
    rows = [entry["row"] for entry in shown["confusionMatrix"]["rows"]]
    assert sum(map(sum, rows)) == written["num_images"]
    right = sum(row[index] for index, row in enumerate(rows))
    assert right / written["num_images"] == pytest.approx(written["accuracy"], abs=1e-4)
    curve = shown["confidenceMetrics"]
    assert (curve[0]["confidenceThreshold"], curve[-1]["confidenceThreshold"]) == (1, 0)
    assert (curve[-1]["recall"], curve[-1]["falsePositiveRate"]) == (1, 1)
    assert all(low["recall"] <= high["recall"] for low, high in itertools.pairwise(curve))


@pytest.mark.slow
def test_pages_and_tables_are_whole(run):
    assert "<html" in (run.outputs("evaluate") / "report").read_text()
    for step, page in (("train", "curves"), ("face-filter", "dropped")):
        assert 'src="data:image/png;base64,iVBOR' in (run.outputs(step) / page).read_text()
    assert "| happy |" in (run.outputs("download") / "summary").read_text()
    assert "| train |" in (run.outputs("split") / "summary").read_text()


@pytest.mark.slow
def test_the_sweep_tries_by_two_workers_and_trains_the_best(sweep):
    assert "tune-worker" in sweep.printed
    assert len(list(sweep.root.glob(".ferflow/pipelines/*/*/*/tune-[01]"))) == 2
    found = sweep.metadata("tune-best", "metrics")
    assert found["epochs_spent"] == 4
    assert "<html" in (sweep.outputs("tune-best") / "report").read_text()
    best = load_params(sweep.outputs("tune-best") / "best")
    assert best.tune.applied is not None
    assert best.tune.applied.trial == found["best_trial"]
    trained = json.loads((sweep.outputs("train") / "reports" / "train.json").read_text())
    assert trained["params"]["train"]["learning_rate"] == best.train.learning_rate
    assert trained["val_accuracy"] == pytest.approx(found["best_value"], abs=1e-4)


# What the body of component train does.
_TRAIN = """
import json, sys
from ferflow.cluster import steps
from ferflow.cluster.workspace import PipelineRun

steps.train(PipelineRun("1", "", sys.argv[1]), **json.loads(sys.argv[2]))
"""


@pytest.mark.slow
def test_an_evicted_training_goes_on_and_ends_with_the_same_network(ran, tmp_path):
    done = ran["training"]
    inputs = {
        "params": done.outputs("check-parameters") / "params",
        "split": done.outputs("split") / "subsets",
        "earlier": done.outputs("split") / "reports",
        **{name: tmp_path / name for name in ("model", "reports", "journals", "page")},
    }
    arguments = json.dumps({name: str(path) for name, path in inputs.items()})
    command = [sys.executable, "-c", _TRAIN, str(tmp_path / "volume"), arguments]
    environment = {**os.environ, "FERFLOW_TRACKING": "off"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as pod:
        while not list((tmp_path / "volume").glob("1/train/.ferflow/checkpoints/*/epoch-?????")):
            assert pod.poll() is None
            time.sleep(0.01)
        pod.kill()
    assert not inputs["model"].exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "going on after epoch" in again.stderr
    before = json.loads((done.outputs("train") / "reports" / "train.json").read_text())
    after = json.loads((inputs["reports"] / "train.json").read_text())
    assert after["epochs_run"] == before["epochs_run"] == 2
    assert after["val_accuracy"] == before["val_accuracy"]


def test_a_step_that_fails_is_one_line_and_the_exit_handler_tells_it(tmp_path):
    write_profile("sample", _CHANGES, profiles=REPOSITORY / "profiles", target=tmp_path / "params.yaml")
    text = (tmp_path / "params.yaml").read_text()
    for old, new in (("source: sample ", "source: archive "), ("path: null ", "path: absent.zip ")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "params.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: absent.zip" in done.stderr
    assert re.search(r"^download +failure", done.stderr, re.MULTILINE)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: pipeline training: step download failed; its line above that begins with")
