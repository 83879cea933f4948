"""Where a run comes from, in a step of a pipeline, too; how long its training took, all processes counted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ferflow import paths
from ferflow.sqlite_url import sqlite_url
from ferflow.stages.table import STAGES
from ferflow.tracking import lineage, names
from ferflow.tracking.outbox.figures import test_metrics as metrics_of
from ferflow.tracking.outbox.journal import FAILED, KILLED, TRAINED, Record, Value, create_journal
from ferflow.tracking.outbox.record import State
from ferflow.tracking.outbox.resumed import seconds_before
from tests.conftest import REPOSITORY


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A folder with something in the place of each output of each stage."""
    for stage in STAGES.values():
        for output in stage.outputs:
            path = tmp_path / "repository" / output
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"file {output}")
            else:
                path.mkdir(parents=True, exist_ok=True)
                (path / "content").write_text(f"in {output}")
    return tmp_path / "repository"


def test_a_step_knows_what_the_steps_before_it_wrote(outputs: Path, tmp_path: Path):
    expected = lineage.stage_digests(outputs, lineage.ALL_STAGES)
    assert set(expected) == {names.tag_of_stage(stage) for stage in STAGES}
    pod = tmp_path / "pod"
    shutil.copytree(outputs / paths.REPORTS, pod / paths.REPORTS)
    for name in ("download", "face-filter", "split", "train"):
        stage = STAGES[name]
        lineage.note_stage(pod / paths.REPORTS, name, {path: outputs / path for path in stage.outputs})
    shutil.copytree(outputs / paths.SPLIT, pod / paths.SPLIT)
    assert lineage.stage_digests(pod, lineage.ALL_STAGES) == expected


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"download": 7}'])
def test_damaged_notes_of_a_step_are_no_error(content: str, tmp_path: Path):
    (tmp_path / paths.REPORTS).mkdir()
    (tmp_path / paths.REPORTS / lineage.NOTES).write_text(content)
    assert lineage.stage_digests(tmp_path, lineage.ALL_STAGES) == {}


def test_a_step_has_the_commit_of_its_image(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FERFLOW_GIT_COMMIT", "abc123")
    assert lineage._git_tags(tmp_path) == {names.TAG_COMMIT: "abc123", names.TAG_DIRTY: "false"}
    monkeypatch.setenv("FERFLOW_GIT_DIRTY", "true")
    assert lineage._git_tags(tmp_path)[names.TAG_DIRTY] == "true"


def test_an_image_is_told_the_commit_that_it_is_built_of():
    built = subprocess.run(
        ["make", "--dry-run", "image"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert '--build-arg COMMIT="$(git rev-parse HEAD)"' in built
    for argument, variable in (("COMMIT", "FERFLOW_GIT_COMMIT"), ("DIRTY", "FERFLOW_GIT_DIRTY")):
        assert f"--build-arg {argument}=" in built
        assert f"ARG {argument}=" in dockerfile
        assert f"{variable}=${argument}" in dockerfile


def test_a_step_on_this_machine_has_the_commit_of_the_code_that_runs(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("FERFLOW_GIT_COMMIT", raising=False)
    head = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert lineage._git_tags(tmp_path).get(names.TAG_COMMIT, "") == head


def test_a_user_without_a_name_is_a_number(monkeypatch):
    for error in (KeyError("uid not found"), OSError("No username set"), ImportError("no pwd")):

        def fail(error: BaseException = error) -> str:
            raise error

        monkeypatch.setattr(lineage.getpass, "getuser", fail)
        assert lineage.user_name().startswith("uid ")


def _stopped(root: Path, key: str, state: State, *, epochs: range, seconds: int, **params: str) -> Record:
    record = Record(key, key, state=state, started=1000, ended=1000 + 1000 * seconds)
    record.params = {"train.epochs": "9", **params}
    journal = create_journal(root, record)
    for epoch in epochs:
        journal.append(Value(2000, epoch, {"loss": 1.0}))
    journal.append(Value(2000, 50, {"system/cpu_utilization_percentage": 1.0}))  # A sample, no epoch.
    journal.release()
    return record


def test_every_process_of_a_stopped_training_counts(tmp_path: Path):
    other = {"train.epochs": "7"}
    _stopped(tmp_path, "1 other parameters", KILLED, epochs=range(1, 5), seconds=900, **other)
    _stopped(tmp_path, "2 first", KILLED, epochs=range(1, 3), seconds=10)
    _stopped(tmp_path, "3 that ended", TRAINED, epochs=range(1, 10), seconds=900)
    _stopped(tmp_path, "4 second", FAILED, epochs=range(3, 6), seconds=20)
    more = {"evaluate.batch_size": "8"}
    last = _stopped(tmp_path, "5 last", TRAINED, epochs=range(6, 10), seconds=30, **more)
    assert seconds_before(tmp_path, last, 5) == 30
    assert seconds_before(tmp_path, last, 2) == 10
    assert seconds_before(tmp_path, last, 0) == 0


def test_the_temperature_is_a_metric():
    shares = ("accuracy", "accuracy_low", "accuracy_high", "f1_macro", "f1_weighted", "auc_ovr_weighted")
    scores = {**dict.fromkeys((*shares, "ece"), 0.5), "num_images": 7}
    report = {**scores, "leak_free": scores, "per_class": {}, "temperature": 1.25}
    assert metrics_of(report)[names.TEMPERATURE] == 1.25
    assert names.TEMPERATURE not in metrics_of({**report, "temperature": None})


@pytest.mark.parametrize("name", ["plain", "a?b", "a#b", "100%25", "a b&c=d", "ünï"])
def test_a_path_with_signs_of_a_url_is_that_path(name: str, tmp_path: Path):
    from sqlalchemy import create_engine, text

    path = tmp_path / name / "file.db"
    path.parent.mkdir()
    engine = create_engine(sqlite_url(path, timeout=5))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
    engine.dispose()
    assert path.is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
