"""Ensembles as a stage and as a command: the mean takes the place of what training writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow import paths
from ferflow.cli.app import app
from ferflow.data.store import read_csv, write_arrays
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, ModelError
from ferflow.model.network import load_network
from ferflow.model.prediction import predict_probabilities
from ferflow.stages import ensemble
from tests.stages.test_evaluate import write_network
from tests.tracking.small_repository import write_repository

pytestmark = pytest.mark.usefixtures("coarse_figures")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    write_repository(tmp_path, "evaluate.test_time_augmentation=flip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _members(root: Path) -> list[Path]:
    return [write_network(root / "models" / f"{seed}.keras", seed=seed) for seed in (3, 4)]


def test_the_mean_of_two_networks_takes_the_place_of_training(repository):
    members = [str(path) for path in _members(repository)]
    (repository / paths.REPORTS).mkdir(exist_ok=True)
    (repository / paths.REPORTS / "history.png").write_bytes(b"of a former training")
    done = CliRunner().invoke(app, ["ensemble", *members])
    assert done.exit_code == 0, done.output
    images = load_subset(paths.SPLIT / "val.npz").images
    answers = [
        predict_probabilities(load_network(Path(path)), images, batch_size=8)
        for path in (*members, paths.MODEL)
    ]
    np.testing.assert_allclose(answers[2], (answers[0] + answers[1]) / 2, atol=1e-6)
    report = json.loads((paths.REPORTS / "train.json").read_text())
    assert [member["file"] for member in report["members"]] == members
    assert report["parameters"]["total"] == sum(member["parameters"] for member in report["members"])
    assert len(read_csv(paths.REPORTS / "history.csv", ("epoch", "val_loss"))["epoch"]) == 0
    assert not (paths.REPORTS / "history.png").exists()
    assert f"mean: validation {report['val_accuracy']:.2%}" in done.output


def test_members_that_make_no_mean_are_refused(repository):
    first, second = _members(repository)
    model = write_network(paths.MODEL)
    refusals = [
        ([first], "two networks or more, 1 given"),
        ([first, first], "3.keras: named twice"),
        ([first, model], r"model.keras: the ensemble would take its place; copy it"),
        ([first, second.with_name("none.keras")], "none.keras: not found"),
    ]
    before = model.read_bytes()
    for members, message in refusals:
        with pytest.raises(ModelError, match=message):
            ensemble.write_ensemble(
                members,
                _params(),
                split_dir=paths.SPLIT,
                model_path=paths.MODEL,
                reports_dir=paths.REPORTS,
            )
    assert model.read_bytes() == before
    assert not (paths.REPORTS / "train.json").exists()


def _params():
    from ferflow.params import load_params

    return load_params(paths.PARAMS)


def _probabilities(labels, share):
    """Rows that are right for the first `share` of the labels."""
    answers = np.where(np.arange(len(labels)) < share * len(labels), labels, (labels + 1) % 7)
    return (0.4 * np.eye(7)[answers] + 0.6 / 7).astype(np.float16)


def test_stored_probabilities_are_scored_and_nothing_is_written(repository):
    labels = np.concatenate([load_subset(paths.SPLIT / f"{name}.npz").labels for name in ("val", "test")])
    for name, share in (("one", 0.5), ("two", 1.0)):
        write_arrays(repository / f"{name}.npz", {"flip": _probabilities(labels, share)})
    before = sorted(repository.rglob("*"))
    one, two, mean = ensemble.score_stored(
        [Path("one.npz"), Path("two.npz")], view="flip", split_dir=paths.SPLIT
    )
    assert (two.val_accuracy, two.test_accuracy, two.leak_free_accuracy) == (1.0, 1.0, 1.0)
    assert one.val_accuracy == 1.0
    assert one.test_accuracy < mean.test_accuracy + 1e-9
    assert mean.name == "mean"
    assert sorted(repository.rglob("*")) == before


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"none": np.ones((2, 7))}, "no probabilities of view flip can be read there"),
        ({"flip": np.full((3, 7), 1 / 7)}, r"flip is float64 \(3, 7\), expected numbers \(134, 7\)"),
        ({"flip": np.ones((134, 7))}, "a row of flip adds up to 7, expected 1"),
    ],
)
def test_stored_probabilities_of_something_else_are_refused(repository, arrays, message):
    write_arrays(repository / "one.npz", arrays)
    with pytest.raises(DataError, match=message):
        ensemble.score_stored([Path("one.npz")], view="flip", split_dir=paths.SPLIT)


def test_networks_and_probabilities_do_not_mix(repository):
    done = CliRunner().invoke(app, ["ensemble", "a.keras", "b.npz"])
    assert isinstance(done.exception, ModelError)
    assert "a.keras: a network among files of probabilities" in str(done.exception)


def _run(*arguments: str) -> str:
    """Run a command in this process, which must succeed; what it printed, standard error included."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.mark.slow
def test_an_ensemble_is_evaluated_registered_and_exported(tmp_path, monkeypatch):
    write_repository(tmp_path, "train.epochs=1", "train.warmup_epochs=0.0", "registry.class_floor=0.0")
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    for seed in (1, 2):
        params = paths.PARAMS.read_text()
        paths.PARAMS.write_text(params.replace("seed: 20131", f"seed: {seed}"))
        with monkeypatch.context() as patch:
            patch.setenv("FERFLOW_TRACKING", "off")
            _run("train")
        paths.MODEL.rename(f"models/{seed}.keras")
        paths.PARAMS.write_text(params)
    _run("ensemble", "models/1.keras", "models/2.keras")
    _run("evaluate")
    assert "version 1" in _run("register")
    _run("export", "--folder", "export")
    card = (tmp_path / "export" / "model_card.md").read_text()
    assert "mean of the probabilities of 2 networks" in card
