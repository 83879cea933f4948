"""A server that is killed in mid-training, and one whose disk is full: nothing is lost or doubled.

One story, in the order of its tests: training begins on a server, which is killed by signal 9; the
server comes back with a full disk for evaluate; then it has room again and `ferflow track sync` ends it.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferflow import paths
from ferflow.data.store import read_arrays, read_csv
from ferflow.files import sha256_of
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import Journal, all_journals
from ferflow.tracking.outbox.sent import Sent
from tests.source_files import encoded
from tests.tracking.servers import MlflowServer
from tests.tracking.small_repository import everything_of, run, start, write_repository

pytestmark = pytest.mark.slow

_EPOCHS = 40
# More than the database of the server grows to, less than one of the artifacts.
_FULL = 1_600_000
_LARGE = (1500, 1400)
_ARTIFACT = "reports/dropped.png"
_NOT_TRACKED = "the run is not tracked yet ("
_CURE = "'ferflow track sync' sends it later"


@dataclass
class Story:
    """What the commands printed, and how long the one with a dead server took."""

    root: Path
    server: MlflowServer
    trained: str
    evaluated: str
    synced: str
    epochs_before_kill: int
    sent_before_full: Sent


@pytest.fixture(scope="module")
def story(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("outage")
    root, server = folder / "repository", MlflowServer(folder / "server", migrated_database)
    write_repository(root, f"train.epochs={_EPOCHS}")
    noise = np.random.default_rng(2).integers(0, 256, _LARGE, dtype=np.uint8)
    (root / paths.REPORTS).mkdir()
    (root / _ARTIFACT).write_bytes(encoded(noise, ".png"))
    settings = {"MLFLOW_TRACKING_URI": server.uri}
    try:
        server.start()
        server.wait()
        training = start(root, "train", **settings)
        before = _wait_for_epochs(root)
        server.kill()
        trained = training.communicate()[0]
        assert training.returncode == 0, trained
        server.start()
        server.wait()
        server.fill_disk(_FULL)
        evaluated = run(root, "evaluate", **settings)
        (partly,) = (_sent(journal) for journal in all_journals(root))
        server.empty_disk()
        synced = run(root, "track", "sync", **settings)
        yield Story(root, server, trained, evaluated, synced, before, partly)
    finally:
        server.kill()


def _wait_for_epochs(root: Path) -> int:
    """Wait until the server has confirmed an epoch of the training; how many."""
    deadline = time.monotonic() + 120
    while True:
        for journal in all_journals(root):
            if number := _sent(journal).num_values:
                return number
        assert time.monotonic() < deadline, "no epoch arrived in time"
        time.sleep(0.05)


def _sent(journal: Journal) -> Sent:
    return Sent.load(journal) or Sent("")


@pytest.fixture(scope="module")
def client(story: Story) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", story.server.uri)
        yield store.client(story.root)


@pytest.fixture(scope="module")
def only_run(client: Any) -> Any:
    (found,) = client.search_runs([store.experiment_id(client)])
    return found


def test_training_ends_well_and_says_in_one_line_that_it_is_not_tracked(story: Story):
    assert 0 < story.epochs_before_kill < _EPOCHS
    (line,) = [line for line in story.trained.splitlines() if _NOT_TRACKED in line]
    assert "connection refused" in line
    assert line.endswith(_CURE)
    assert "Traceback" not in story.trained
    assert (story.root / paths.MODEL).is_file()


def test_evaluate_ends_well_on_a_full_disk_and_says_so_in_one_line(story: Story):
    (line,) = [line for line in story.evaluated.splitlines() if _NOT_TRACKED in line]
    assert "the server fails (its disk may be full" in line
    assert line.endswith(_CURE)
    assert "Traceback" not in story.evaluated
    # It was the artifact that did not fit, after what goes to the database.
    assert story.sent_before_full.subsets == ["train", "val", "test"]
    assert story.sent_before_full.files == {}
    assert (story.root / paths.REPORTS / "metrics.json").is_file()


def test_sync_completes_one_finished_run(story: Story, only_run: Any):
    assert "sent to http://127.0.0.1" in story.synced
    assert only_run.info.status == "FINISHED"
    assert run(story.root, "track", "sync", MLFLOW_TRACKING_URI=story.server.uri).startswith("nothing to")


def test_every_epoch_is_there_once(story: Story, client: Any, only_run: Any):
    values = everything_of(client, only_run.info.run_id)
    with (story.root / paths.REPORTS / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == _EPOCHS
    for name in names.EPOCH_METRICS:
        assert [step for step, _ in values[name]] == list(range(1, _EPOCHS + 1))
        expected = [float(row[name]) for row in rows]
        assert np.allclose([value for _, value in values[name]], expected, rtol=1e-5)
    for name, entries in values.items():
        assert set(Counter(step for step, _ in entries).values()) == {1}, name


def test_the_artifacts_are_those_on_this_disk(story: Story, client: Any, only_run: Any, tmp_path: Path):
    for name in (_ARTIFACT, "reports/report.html", "reports/predictions.csv", "reports/plots/roc.png"):
        fetched = client.download_artifacts(only_run.info.run_id, name, dst_path=str(tmp_path))
        assert sha256_of(Path(fetched)) == sha256_of(story.root / name), name


def test_the_one_logged_model_gives_the_probabilities_of_the_evaluation(
    story: Story, client: Any, only_run: Any
):
    import mlflow

    (model,) = client.search_logged_models([only_run.info.experiment_id])
    (output,) = only_run.outputs.model_outputs
    assert (output.model_id, model.status.value) == (model.model_id, "READY")
    loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    images = read_arrays(story.root / paths.SPLIT / "test.npz", ("images",))["images"]
    answers = loaded.predict(images)
    written = read_csv(story.root / paths.REPORTS / "predictions.csv", ("file", "predicted"))
    for column in (name for name in written if name.startswith("p_")):
        assert np.abs(answers[column].to_numpy() - written[column].astype(float)).max() <= 1e-5
    assert answers["label"].tolist() == written["predicted"].tolist()


def test_the_run_says_where_it_comes_from(story: Story, only_run: Any):
    tags = only_run.data.tags
    split = story.root / paths.SPLIT
    assert tags[names.TAG_TEST] == sha256_of(split / "test.npz")
    assert tags[names.TAG_SPLIT] == sha256_of(split / "manifest.csv")
    assert tags[names.TAG_MODEL] == sha256_of(story.root / paths.MODEL)
    assert tags[names.TAG_PROFILE] == "sample"
    assert tags[names.TAG_BACKEND].startswith("keras ")
    assert "cores" in tags[names.TAG_HARDWARE]
    assert {entry.dataset.name: entry.tags[0].value for entry in only_run.inputs.dataset_inputs} == {
        "train": "training",
        "val": "validation",
        "test": "testing",
    }
    for entry in only_run.inputs.dataset_inputs:
        assert sha256_of(split / f"{entry.dataset.name}.npz").startswith(entry.dataset.digest)


def test_the_run_holds_every_parameter_and_figure(only_run: Any):
    assert only_run.info.run_name.startswith("sample resnet_v2 48px sgd 0.05 ")
    params, metrics = only_run.data.params, only_run.data.metrics
    assert params["train.epochs"] == str(_EPOCHS)
    assert params["evaluate.test_time_augmentation"] == "none"
    assert params["model.widths"] == "[4]"
    for name in (
        names.TEST_ACCURACY,
        "test_accuracy_low",
        "leak_free_accuracy_high",
        names.TEST_MACRO_F1,
        names.BEST_VAL_ACCURACY,
        names.PARAMETERS,
        names.MULTIPLY_ADDS,
        names.TRAIN_SECONDS,
        "system/process_memory_megabytes",
        "system/cpu_utilization_percentage",
    ):
        assert name in metrics, name
