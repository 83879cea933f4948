"""What training and sweep cost: the arithmetic, and that docs/scaling.md says what it gives."""

from __future__ import annotations

import pytest

from ferflow.params import check_params, read_yaml
from ferflow.profiles import load_profile
from pipelines import scaling
from pipelines.scaling import Speed, epochs_of_a_trial, sweep, table, training
from tests.conftest import REPOSITORY


@pytest.fixture
def paper():
    return load_profile("paper", profiles=REPOSITORY / "profiles")


def test_a_training_is_its_start_and_its_epochs(paper):
    found = training(paper, Speed(train=100, predict=200, start=60, price=2))
    seconds = 60 + 30 * ((28_709 - 2_871) / 100 + 2_871 / 200)
    assert found.hours == found.device_hours == pytest.approx(seconds / 3600)
    assert found.cost == pytest.approx(2 * seconds / 3600)


def test_devices_make_a_sweep_shorter_but_not_cheaper(paper):
    speed = Speed(train=100, predict=200, start=60, price=2)
    one, eight = (sweep(paper, speed, trials=16, devices=number) for number in (1, 8))
    assert one.hours == pytest.approx(8 * eight.hours)
    assert one.cost == pytest.approx(eight.cost)
    assert sweep(paper, speed, trials=17, devices=8).hours == pytest.approx(1.5 * eight.hours)


@pytest.mark.parametrize(
    ("pruner", "epochs"), [("successive_halving", 3 + 6 / 3 + 18 / 9 + 3 / 27), ("none", 30)]
)
def test_halving_shortens_trials(paper, pruner, epochs):
    values = read_yaml(REPOSITORY / "profiles" / "paper.yaml")
    values["tune"] |= {"pruner": pruner, "pruner_epochs": 3, "pruner_factor": 3}
    assert epochs_of_a_trial(check_params(values, origin="test")) == pytest.approx(epochs)


@pytest.mark.parametrize(
    "speed", [Speed(train=25, predict=46, start=120, price=0), Speed(2000, 4000, 120, 3)]
)
def test_the_tables_of_the_document_are_what_the_command_prints(paper, speed):
    text = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert table(paper, speed, trials=1000) in text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--train", "0"], "Invalid value for '--train'"),
        (["--train", "25", "--trials", "0"], "Invalid value for '--trials'"),
        (["--train", "25", "--profile", "absent"], "there is no profile 'absent'"),
    ],
)
def test_a_wrong_flag_is_no_traceback(flags, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["scaling", *flags])
    with pytest.raises(SystemExit) as caught:
        scaling.main()
    assert caught.value.code in (1, 2)
    errors = capsys.readouterr().err
    assert said in " ".join(errors.split())
    assert "Traceback" not in errors
