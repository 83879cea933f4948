"""Training: it learns, repeats, stops, and goes on from a kill to the same bits."""

from __future__ import annotations

import jax
import keras
import numpy as np
import pytest
import tensorflow

from ferflow.data.subsets import LabelledImages
from ferflow.errors import ModelError
from ferflow.model.backend import set_up_process
from ferflow.model.checkpoint import CheckpointStore
from ferflow.model.network import build_network
from ferflow.model.state import TrainingState
from ferflow.model.training import build_trainer, train_network
from ferflow.params import Unfreezing
from tests.model.conftest import tiny


class KilledError(Exception):
    """Stands for the end of the process at a point of the run."""


def _train(params, bars, folder, *, kill_after=None):
    """Train from a fresh process state; returns (weights, state)."""
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)

    def on_epoch(row):
        if row["epoch"] == kill_after:
            raise KilledError

    state = train_network(
        network,
        LabelledImages(bars[0][:70], bars[1][:70]),
        LabelledImages(bars[0][70:], bars[1][70:]),
        params=params,
        checkpoints=CheckpointStore(folder, "f" * 64),
        on_epoch=on_epoch,
    )
    return network.get_weights(), state


_STAGES = [Unfreezing(epoch=2, layers=9), Unfreezing(epoch=3, layers="all")]


def _with(params, *, model=None, augment=None, **train):
    sections = {"model": model or {}, "augment": augment or {}, "train": train}
    return params.model_copy(
        update={name: getattr(params, name).model_copy(update=values) for name, values in sections.items()}
    )


def _assert_equal(one, two):
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)


def test_train_network_learns(tmp_path, tiny_params, bars):
    quiet = tiny_params.model_copy(
        update={
            "augment": tiny_params.augment.model_copy(update={"rotation": 0.0, "zoom": 0.0, "shift": 0.0}),
            "model": tiny_params.model.model_copy(
                update={"dropout_head": 0.0, "dropout_features": 0.0, "pooling": "flatten"}
            ),
        }
    )
    _, state = _train(_with(quiet, epochs=12), bars, tmp_path)
    assert state.history[-1]["loss"] < state.history[0]["loss"] * 0.7
    assert state.best_accuracy > 0.5


@pytest.fixture(scope="module")
def whole(tmp_path_factory, bars):
    """A run of `tiny_params` that nothing interrupted: (weights, state, folder of its checkpoints)."""
    folder = tmp_path_factory.mktemp("whole")
    return *_train(tiny(), bars, folder), folder


_PLATEAU = {"optimizer": "adam", "schedule": "plateau", "weight_decay": 0.0, "plateau_patience": 1}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="sgd-cosine"),
        pytest.param(
            {"ema_momentum": 0.9, "augment": {"mixup": 0.3, "erasing": 0.5}, "steps_per_dispatch": 2},
            id="ema-mixup-erasing",
            marks=pytest.mark.slow,
        ),
        pytest.param(_PLATEAU, id="adam-plateau", marks=pytest.mark.slow),
        pytest.param(
            {"optimizer": "adamw", "precision": "mixed_bfloat16"}, id="adamw-bfloat16", marks=pytest.mark.slow
        ),
        pytest.param(
            {"model": {"unfreeze_layers": 0}, "unfreeze": _STAGES}, id="unfreeze", marks=pytest.mark.slow
        ),
        pytest.param(_PLATEAU | {"unfreeze": _STAGES}, id="unfreeze-plateau", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path, tiny_params, bars, whole, changes
):
    if changes:  # One block of layers has every kind of state, and takes less to compile.
        changes = {**changes, "model": {"widths": [4], "depths": [1], **changes.get("model", {})}}
    params = _with(tiny_params, **changes)
    weights, state = _train(params, bars, tmp_path / "whole") if changes else whole[:2]
    for kill_after in (1, 2):
        with pytest.raises(KilledError):
            _train(params, bars, tmp_path / "killed", kill_after=kill_after)
    resumed_weights, resumed_state = _train(params, bars, tmp_path / "killed")
    _assert_equal(weights, resumed_weights)
    assert resumed_state == state
    assert len(state.history) == params.train.epochs


def test_a_finished_run_is_not_trained_again(tiny_params, bars, whole):
    weights, state, folder = whole
    again, same = _train(tiny_params, bars, folder, kill_after=1)
    _assert_equal(weights, again)
    assert same == state


def test_another_seed_gives_other_weights(tmp_path, tiny_params, bars, whole):
    one, *_ = whole
    two, _ = _train(tiny_params.model_copy(update={"seed": 5}), bars, tmp_path)
    assert any(not np.array_equal(left, right) for left, right in zip(one, two, strict=True))


@pytest.mark.slow
def test_training_ends_with_the_weights_of_the_best_epoch(tmp_path, tiny_params, bars):
    params = _with(tiny_params, epochs=4)
    weights, state = _train(params, bars, tmp_path)
    best = max(state.history, key=lambda row: row["val_accuracy"])
    assert state.best_epoch == best["epoch"]
    with pytest.raises(KilledError):
        _train(params, bars, tmp_path / "until_best", kill_after=state.best_epoch)
    arrays, _ = CheckpointStore(tmp_path / "until_best", "f" * 64).load()
    _assert_equal(weights, [arrays[name] for name in sorted(arrays) if name.startswith("best")])


def test_early_stopping_ends_a_run_that_no_longer_improves(tmp_path, tiny_params, bars):
    params = _with(tiny_params, epochs=20, learning_rate=1e-6, early_stopping_patience=2, warmup_epochs=0.0)
    _, state = _train(params, bars, tmp_path)
    assert state.epoch == state.best_epoch + 2 < 20


def test_plateau_reduces_the_rate_by_its_factor(tmp_path, tiny_params, bars):
    params = _with(
        tiny_params, epochs=6, schedule="plateau", plateau_patience=1, plateau_factor=0.5, learning_rate=0.5
    )
    _, state = _train(params, bars, tmp_path)
    rates = [row["learning_rate"] for row in state.history]
    losses = [row["val_loss"] for row in state.history]
    for epoch in range(1, len(rates)):
        reduced = epoch > 1 and losses[epoch - 1] >= min(losses[: epoch - 1])
        assert rates[epoch] == pytest.approx(rates[epoch - 1] * (0.5 if reduced else 1))
    assert rates[-1] < rates[0]


def test_a_loss_that_is_not_finite_names_the_cure(tmp_path, tiny_params, bars):
    params = _with(tiny_params, learning_rate=1e30, warmup_epochs=0.0)
    with pytest.raises(ModelError, match=r"lower train\.learning_rate \(now 1e\+30\)"):
        _train(params, bars, tmp_path)


def test_exhausted_memory_names_batch_size_and_image_size(tmp_path, tiny_params, bars, monkeypatch):
    from ferflow.model import training

    def too_large(*arguments, **options):
        if keras.backend.backend() == "jax":
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        raise tensorflow.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(training, "fit_epoch", too_large)
    with pytest.raises(ModelError, match=r"train\.batch_size 16 at model\.image_size 48; lower .*try 8"):
        _train(tiny_params, bars, tmp_path)


def test_frozen_layers_stay_as_they_were(tmp_path, tiny_params, bars):
    params = tiny_params.model_copy(
        update={"model": tiny_params.model.model_copy(update={"unfreeze_layers": 0})}
    )
    set_up_process(params.seed, params.train.precision)
    before = build_network(params.model).get_layer("resnet_v2").get_weights()
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    data = LabelledImages(*bars)
    train_network(network, data, data, params=params, checkpoints=CheckpointStore(tmp_path, "f" * 64))
    _assert_equal(before, network.get_layer("resnet_v2").get_weights())


@pytest.mark.slow
def test_stages_unfreeze_layers_at_their_epochs(tmp_path, tiny_params, bars, whole):
    params = _with(tiny_params, model={"unfreeze_layers": 0}, unfreeze=_STAGES)
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    backbone = network.get_layer("resnet_v2")
    changed, before = [], backbone.get_weights()
    gammas = [index for index, weight in enumerate(backbone.weights) if weight.name in ("gamma", "kernel")]

    def on_epoch(row):
        after = backbone.get_weights()
        changed.append([not np.array_equal(before[index], after[index]) for index in gammas])

    data = LabelledImages(*bars)
    checkpoints = CheckpointStore(tmp_path, "f" * 64)
    state = train_network(network, data, data, params=params, checkpoints=checkpoints, on_epoch=on_epoch)
    assert not any(changed[0])
    assert any(changed[1])
    assert not all(changed[1])
    assert all(changed[2])
    rates = [row["learning_rate"] for row in state.history]
    assert rates == [row["learning_rate"] for row in whole[1].history]


def test_a_stage_beyond_the_backbone_is_an_error_before_training(tmp_path, tiny_params, bars):
    params = _with(tiny_params, unfreeze=[Unfreezing(epoch=3, layers=999)])
    with pytest.raises(ModelError, match=r"train\.unfreeze: 999 found, but the backbone has \d+ layers"):
        _train(params, bars, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_waits_for_the_last_stage(tiny_params):
    train = tiny_params.train.model_copy(
        update={"epochs": 9, "early_stopping_patience": 2, "unfreeze": _STAGES}
    )
    assert not TrainingState(epoch=3, best_epoch=1).is_ended(train)
    assert TrainingState(epoch=4, best_epoch=1).is_ended(train)


def test_averages_follow_the_weights_as_an_exponential_moving_average(tiny_params, bars):
    params = _with(tiny_params, ema_momentum=0.15)
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    trainer = build_trainer(network, params, num_images=64)
    expected, momenta = network.get_weights(), [0.1, 0.15, 0.15]
    data = LabelledImages(*bars)
    for step, momentum in enumerate(momenta):
        before = network.get_weights()
        expected = [
            momentum * average + (1 - momentum) * weight
            for average, weight in zip(expected, before, strict=True)
        ]
        rows = slice(16 * step, 16 * step + 16)
        trainer.train_on_batch(data.inputs()[rows], data.targets()[rows])
    layer = trainer.get_layer("weight_average")
    is_statistic = ["moving" in weight.name for weight in network.weights]
    for average, values, skip in zip(layer.averages, expected, is_statistic, strict=True):
        if not skip:  # Statistics are averaged after the step that moves them.
            np.testing.assert_allclose(np.asarray(average), values, rtol=1e-4, atol=1e-5)
    assert len(trainer.trainable_variables) == len(network.trainable_variables)


@pytest.mark.slow
def test_averaged_weights_are_validated_and_kept(tmp_path, tiny_params, bars):
    params = _with(tiny_params, ema_momentum=0.999, epochs=1, warmup_epochs=0.0)
    averaged, _ = _train(params, bars, tmp_path / "averaged")
    arrays, _ = CheckpointStore(tmp_path / "averaged", "f" * 64).load()
    plain, _ = _train(_with(params, ema_momentum=0.0), bars, tmp_path / "plain")
    assert any(not np.array_equal(one, two) for one, two in zip(averaged, plain, strict=True))
    _assert_equal(averaged, [arrays[name] for name in sorted(arrays) if name.startswith("best")])
    names = {name for name in arrays if name.startswith("model")}
    assert all(any(np.array_equal(weight, arrays[name]) for name in names) for weight in plain)


def test_training_state_starts_without_an_epoch():
    assert TrainingState().history == []
