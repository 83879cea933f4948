"""Tests of predicting a whole subset."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities


@pytest.fixture(scope="module")
def network(sample_params):
    """A small network with random weights."""
    params = sample_params.model.model_copy(update={"widths": [4, 8], "depths": [1, 1]})
    return build_network(params)


def test_predict_probabilities_of_batches_are_those_of_the_whole(network, bars):
    images, _ = bars
    whole = predict_probabilities(network, images, batch_size=100)

    assert whole.shape == (84, 7)
    assert whole.dtype == np.float64
    assert whole.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(predict_probabilities(network, images, batch_size=25), whole, atol=1e-5)
    assert np.allclose(network.predict(images[..., None], verbose=0), whole, atol=1e-5)


def test_predict_probabilities_with_flip_averages_the_mirrored_images(network, bars):
    images, _ = bars
    images = np.ascontiguousarray(images.swapaxes(1, 2))  # bars upright, so that mirrors differ
    plain = predict_probabilities(network, images, batch_size=32)
    mirrored = predict_probabilities(network, images[:, :, ::-1], batch_size=32)
    flipped = predict_probabilities(network, images, batch_size=32, flip=True)

    assert not np.allclose(plain, mirrored, atol=1e-4)
    assert np.allclose(flipped, (plain + mirrored) / 2, atol=1e-6)


def test_predict_probabilities_of_no_images_is_empty(network):
    assert predict_probabilities(network, np.empty((0, 48, 48), np.uint8), batch_size=4).shape == (0, 7)


def test_predict_probabilities_refuses_outputs_that_are_none(sample_params, bars):
    broken = build_network(sample_params.model.model_copy(update={"widths": [4], "depths": [1]}))
    logits = broken.get_layer("logits")
    logits.set_weights([np.full_like(weight, np.nan) for weight in logits.get_weights()])

    with pytest.raises(ModelError, match="add up to nan, expected 1"):
        predict_probabilities(broken, bars[0][:8], batch_size=8)
