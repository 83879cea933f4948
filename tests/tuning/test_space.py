"""The search space: what is refused before the first trial, and the way of values to Optuna and back."""

from __future__ import annotations

import pytest

from ferflow.errors import ParamsError
from ferflow.params import check_params
from ferflow.tuning.space import Space


def _float(key: str, low: float, high: float, *, log: bool = False) -> dict:
    return {"key": key, "kind": "float", "low": low, "high": high, "log": log}


def _int(key: str, low: int, high: int) -> dict:
    return {"key": key, "kind": "int", "low": low, "high": high, "log": False}


def _choice(key: str, *choices: object) -> dict:
    return {"key": key, "kind": "choice", "choices": list(choices)}


@pytest.fixture
def space_of(sample_values):
    def make(*entries: dict) -> Space:
        sample_values["tune"]["space"] = list(entries)
        return Space(check_params(sample_values, origin="params.yaml"), origin="params.yaml")

    return make


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            _float("train.lerning_rate", 0.1, 0.2),
            r"unknown key 'train\.lerning_rate'; use one of train\.ep",
        ),
        (_float("train.unfreeze.epoch", 0.1, 0.2), r"unknown key 'train\.unfreeze\.epoch'"),
        (
            _float("evaluate.batch_size", 0.1, 0.2),
            r"'evaluate\.batch_size', expected a key of model",
        ),
        (_float("train.learning_rate", 0.2, 0.2), r"low is 0\.2 and high 0\.2: the range is empty"),
        (_int("train.batch_size", 9, 3), r"low is 9 and high 3: the range is empty"),
        (_float("train.learning_rate", 0.0, 0.2, log=True), r"low is 0, but log is true"),
        (_float("train.learning_rate", 0.0, 0.2), r"refuse; narrow it: .*learning_rate: 0\.0 found"),
        (
            _float("model.dropout_head", 0.0, 1.5),
            r"allows what .* refuse; narrow it: .*dropout_head: 1\.5 found",
        ),
        (_float("train.batch_size", 8.5, 64.5), r"train\.batch_size: 8\.5 found, expected a valid integer"),
        (_choice("train.optimizer", "sgd", "rmsprop"), r"train\.optimizer: 'rmsprop' found, expected 'adam'"),
        (_choice("train.optimizer", "sgd", "adam"), r"weight_decay is 0\.0005, but optimizer adam has none"),
        (_choice("model.dense_units", 0), r"two or more different values"),
        (_choice("model.dense_units", 32, 32), r"two or more different values"),
        (_choice("model.dense_units", 32, 64), r"model\.dense_units is 0, but tune\.space wants one of"),
        (_float("train.learning_rate", 0.1, 0.2), r"train\.learning_rate is 0\.05, but .* from 0\.1 to 0\.2"),
        ({"key": "model.dense_units", "kind": "list"}, r"tune\.space\.0: .* expected"),
        ({**_float("train.momentum", 0, 0.9), "step": 1}, r"tune\.space\.0\.step: unknown key"),
    ],
)
def test_a_bad_space_is_one_error(space_of, entry, expected):
    with pytest.raises(ParamsError, match=expected):
        space_of(entry)


def test_two_choices_that_contradict_each_other_are_refused(space_of):
    with pytest.raises(ParamsError, match=r"warmup_epochs 5\.0, train\.epochs 4.*expected less than epochs"):
        space_of(_float("train.warmup_epochs", 0.0, 5.0), _int("train.epochs", 4, 20))


def test_a_key_given_twice_is_refused(space_of):
    with pytest.raises(ParamsError, match=r"model\.dropout_head twice"):
        space_of(_float("model.dropout_head", 0.0, 0.5), _float("model.dropout_head", 0.0, 0.4))


def test_values_go_to_optuna_and_back(space_of):
    space = space_of(
        _float("train.learning_rate", 0.001, 0.1, log=True),
        _int("train.batch_size", 8, 64),
        _choice("model.widths", [16, 32, 64], [8, 16, 32]),
        _choice("model.unfreeze_layers", "all", 0),
        _choice("augment.flip", True, False),
    )
    drawn = space.drawn_from(space.own_values())
    assert drawn["model.widths"] == "[16, 32, 64]"
    for key, distribution in space.distributions().items():
        assert distribution._contains(distribution.to_internal_repr(drawn[key])), key
    assert space.values_of(drawn) == space.own_values()
    assert space.params_with(space.own_values()) == space.params_with({})


def test_a_drawn_number_has_four_digits_and_stays_in_its_range(space_of):
    space = space_of(_float("train.learning_rate", 0.0012344, 0.1))
    assert space.values_of({"train.learning_rate": 0.0123456789}) == {"train.learning_rate": 0.01235}
    assert space.values_of({"train.learning_rate": 0.00123441}) == {"train.learning_rate": 0.0012344}


def test_values_outside_of_the_space_are_not_queued(space_of):
    space = space_of(_float("train.learning_rate", 0.01, 0.1))
    assert space.drawn_from({"train.learning_rate": 0.5, "train.momentum": 0.5}) == {}
