"""Epochs: calls of any length and blocks of any size take the same steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.data.subsets import LabelledImages
from ferflow.model import epochs as module
from ferflow.model.backend import set_up_process
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities
from ferflow.model.training import build_epochs, build_trainer


def _fit(params, bars, *, num_epochs=2):
    """Weights, probabilities and the means of each epoch; and the lengths of the calls."""
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    trainer = build_trainer(network, params, num_images=70)
    epochs = build_epochs(trainer, network, LabelledImages(bars[0][:70], bars[1][:70]), params)
    calls: list[int] = []
    means = [epochs.fit(epoch, calls.append) for epoch in range(num_epochs)]
    if (
        keras.backend.backend() == "tensorflow"
    ):  # A variable that is made by the first step has it traced again.
        assert epochs._steps._take.experimental_get_tracing_count() == 1
    return network, epochs.predict(bars[0]), means, calls


def _with_steps(params, number):
    return params.model_copy(update={"train": params.train.model_copy(update={"steps_per_dispatch": number})})


@pytest.mark.parametrize("number", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_a_call_of_many_steps_takes_the_steps_of_many_calls(tiny_params, bars, number):
    one, *of_one, calls = _fit(_with_steps(tiny_params, 1), bars)
    assert calls == [1] * 10  # 70 images in batches of 16, twice.
    many, *of_many, calls = _fit(_with_steps(tiny_params, number), bars)
    assert calls == ([2, 2, 1] * 2 if number == 2 else [5, 5])
    # XLA rounds otherwise inside of a loop; another image in a batch changes the second decimal.
    np.testing.assert_allclose(of_many[0], of_one[0], atol=1e-4)
    np.testing.assert_allclose(of_many[1], of_one[1], rtol=1e-4)
    for left, right in zip(one.get_weights(), many.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_the_rate_is_that_of_the_next_step(tiny_params, bars, schedule):
    params = tiny_params.model_copy(
        update={"train": tiny_params.train.model_copy(update={"schedule": schedule})}
    )
    network = build_network(params.model)
    trainer = build_trainer(network, params, num_images=70)
    epochs = build_epochs(trainer, network, LabelledImages(bars[0][:70], bars[1][:70]), params)
    optimizer, rates = trainer.optimizer, []
    for step in (0, 3, 7):
        optimizer.iterations.assign(step)
        if schedule == "plateau":
            optimizer.learning_rate = 0.5**step
        rates.append(epochs.learning_rate())
        assert rates[-1] == float(optimizer.learning_rate)
    assert len(set(rates)) == 3


def test_a_step_computes_its_rate_once(tiny_params, monkeypatch):
    """And not again for each weight that decays; the next step has its own."""
    computed, schedule = [], keras.optimizers.schedules.CosineDecay
    rate_of = schedule.__call__
    monkeypatch.setattr(
        schedule, "__call__", lambda self, step: computed.append(int(step)) or rate_of(self, step)
    )
    trainer = build_trainer(build_network(tiny_params.model), tiny_params, num_images=70)
    assert trainer.optimizer.weight_decay
    weights = trainer.trainable_variables
    for _ in range(2):
        trainer.optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
    assert computed == [0, 1]


@pytest.mark.slow
def test_images_that_exceed_the_device_come_in_blocks_to_the_same_weights(tiny_params, bars, monkeypatch):
    whole, *of_whole, _ = _fit(tiny_params, bars)
    # Two blocks of two batches may be there at a time; the third one is filled up.
    monkeypatch.setattr(module, "_allowed_bytes", lambda: 2 * 2 * 16 * 48 * 48)
    lengths: list[int] = []
    gather = module.Epochs._gather
    monkeypatch.setattr(
        module.Epochs, "_gather", lambda self, rows: (lengths.append(len(rows)), gather(self, rows))[1]
    )
    blocks, *of_blocks, _ = _fit(tiny_params, bars)
    assert lengths == [32, 32, 16] * 2
    np.testing.assert_allclose(of_blocks[1], of_whole[1], rtol=1e-6)
    np.testing.assert_allclose(of_blocks[0], of_whole[0], atol=1e-6)
    for left, right in zip(whole.get_weights(), blocks.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_a_number_of_mib_is_the_limit(tiny_params, bars):
    images = np.repeat(bars[0], 10, axis=0)[..., None]  # 840 images: 1.8 MiB.
    limits = {1: 224, 2: 0, "auto": 0}
    for mib, block in limits.items():
        train = tiny_params.train.model_copy(update={"device_data_mib": mib})
        assert module._block_images(images, train) == block


def test_validation_in_one_call_gives_what_prediction_gives(tiny_params, bars):
    network, probabilities, _, _ = _fit(tiny_params, bars, num_epochs=1)
    assert probabilities.shape == (84, 7)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(
        probabilities, predict_probabilities(network, bars[0], batch_size=16), atol=1e-6
    )


def test_votes_are_the_targets_where_they_are_asked_for(tiny_params, bars):
    votes = np.zeros((70, 10), np.uint8)
    votes[:, 0], votes[:, 1] = 6, 4
    data = LabelledImages(bars[0][:70], bars[1][:70], votes)
    for targets, expected in (("labels", data.targets()), ("votes", data.soft_targets())):
        params = tiny_params.model_copy(
            update={"train": tiny_params.train.model_copy(update={"targets": targets})}
        )
        network = build_network(params.model)
        trainer = build_trainer(network, params, num_images=70)
        epochs = build_epochs(trainer, network, data, params)
        np.testing.assert_array_equal(epochs._targets, expected)
