"""`ferflow runs`: the runs as a table, and names that tell runs apart."""

from __future__ import annotations

import pytest

from ferflow.params import load_params
from ferflow.profiles import write_profile
from ferflow.tracking import lineage, names
from ferflow.tracking.run_table import run_table
from ferflow.tracking.store import client as store_client
from ferflow.tracking.store import experiment_id
from tests.conftest import REPOSITORY
from tests.tracking.stored_runs import store_run


@pytest.fixture
def client(embedded):
    return store_client(embedded)


@pytest.fixture
def store(client, tmp_path):
    return lambda name: store_run(client, tmp_path / "runs", name)


def test_runs_stand_with_their_figures_the_newest_last(client, store):
    full, short = store("full"), store("short")
    lines = run_table(client, number=20).splitlines()
    assert lines[0].split() == [
        "run",
        "name",
        "started",
        "validation",
        "leak-free",
        "test",
        "epochs",
        "seconds",
    ]
    assert [line.split()[:2] for line in lines[1:]] == [
        [full.run_id[:8], "full"],
        [short.run_id[:8], "short"],
    ]
    assert f"{full.metrics[names.LEAK_FREE_ACCURACY]:.1%}" in lines[1]
    assert run_table(client, number=1).splitlines()[1:] == [lines[2], "1 older ones: --last 2"]


def test_a_run_that_was_not_scored_says_its_state_and_a_long_name_is_cut(client):
    tags = {names.TAG_RUN: "fingerprint"}
    run = client.create_run(experiment_id(client), run_name="a" * 90, tags=tags).info.run_id
    client.set_terminated(run, "KILLED")
    # The runs of a sweep are no trainings of the pipeline.
    client.create_run(experiment_id(client), run_name="sweep sample-1")
    _, line = run_table(client, number=5).splitlines()
    assert "killed" in line
    assert len(line) <= 120
    assert "aaa\N{HORIZONTAL ELLIPSIS}  " in line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], "sample resnet_v2 48px sgd 0.05 20 epochs"),
        (["train.epochs=3"], "sample resnet_v2 48px sgd 0.05 3 epochs"),
        (["model.dropout_head=0.3"], "sample resnet_v2 48px sgd 0.05 20 epochs dropout_head 0.3"),
        (["download.sample_images=700", "tune.jobs=2"], "sample resnet_v2 48px sgd 0.05 20 epochs"),
        (
            [
                "seed=7",
                "train.batch_size=64",
                "augment.mixup=0.2",
                "augment.flip=false",
                "model.dense_units=8",
            ],
            "sample resnet_v2 48px sgd 0.05 20 epochs seed 7 dense_units 8 flip false +2",
        ),
    ],
)
def test_a_name_tells_what_differs_from_the_profile(tmp_path, monkeypatch, changes, expected):
    monkeypatch.chdir(REPOSITORY)
    write_profile("sample", changes, profiles=REPOSITORY / "profiles", target=tmp_path / "params.yaml")
    assert lineage.run_name(load_params(tmp_path / "params.yaml")) == expected


def test_without_the_profile_at_hand_the_name_is_short(tmp_path, monkeypatch):
    params = load_params(REPOSITORY / "params.yaml").model_copy(update={"seed": 7})
    monkeypatch.chdir(tmp_path)
    assert lineage.run_name(params) == "sample resnet_v2 48px sgd 0.05 20 epochs"
