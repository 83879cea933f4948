"""Tests of predicting a whole subset."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities

_CORNERS = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]


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
    flipped = predict_probabilities(network, images, batch_size=32, test_time_augmentation="flip")

    assert not np.allclose(plain, mirrored, atol=1e-4)
    assert np.allclose(flipped, (plain + mirrored) / 2, atol=1e-6)


@pytest.mark.parametrize("kind", ["ten_crop", "whole_and_ten_crop"])
def test_predict_probabilities_with_ten_crop_averages_corners_centre_and_mirrors(network, bars, kind):
    images, _ = bars
    crops = [images[:, top : top + 44, left : left + 44] for top, left in _CORNERS]
    crops += [images] if kind == "whole_and_ten_crop" else []
    views = [
        np.stack([cv2.resize(image.astype(np.float32), (48, 48)) for image in view])
        for crop in crops
        for view in (crop, crop[:, :, ::-1])
    ]
    expected = np.mean([network.predict(view[..., None], verbose=0) for view in views], axis=0)
    found = predict_probabilities(network, images, batch_size=32, test_time_augmentation=kind)

    assert np.allclose(found, expected, atol=1e-5)


def test_predict_probabilities_with_views_keeps_to_the_batch_size(network, bars):
    one = predict_probabilities(network, bars[0][:5], batch_size=1, test_time_augmentation="flip")
    many = predict_probabilities(network, bars[0][:5], batch_size=100, test_time_augmentation="flip")

    assert np.allclose(one, many, atol=1e-6)


def test_predict_probabilities_of_no_images_is_empty(network):
    assert predict_probabilities(network, np.empty((0, 48, 48), np.uint8), batch_size=4).shape == (0, 7)


def test_predict_probabilities_refuses_outputs_that_are_none(sample_params, bars):
    broken = build_network(sample_params.model.model_copy(update={"widths": [4], "depths": [1]}))
    logits = broken.get_layer("logits")
    logits.set_weights([np.full_like(weight, np.nan) for weight in logits.get_weights()])

    with pytest.raises(ModelError, match="add up to nan, expected 1"):
        predict_probabilities(broken, bars[0][:8], batch_size=8)


def test_exhausted_memory_names_the_batch_size(network, bars, monkeypatch):
    def too_large(*_, **__):
        raise MemoryError

    monkeypatch.setattr("ferflow.model.prediction._predict_batch", too_large)
    for key in ("evaluate.batch_size", "train.batch_size"):
        with pytest.raises(ModelError, match=rf"by {key} 16 at model\.image_size 48; lower {key} \(try 8\)"):
            predict_probabilities(network, bars[0], batch_size=16, batch_size_key=key)
