"""The cost of an answer."""

from __future__ import annotations

import pytest

from ferflow.errors import ModelError
from ferflow.model.backend import load_keras
from ferflow.model.cost import multiply_adds
from ferflow.model.network import build_network

keras = load_keras()


def test_a_convolution_costs_its_window_at_every_position():
    images = keras.Input((8, 8, 3))
    values = keras.layers.Conv2D(5, 3, strides=2, padding="same")(images)
    network = keras.Model(images, keras.layers.Dense(7)(keras.layers.Flatten()(values)))
    assert multiply_adds(network) == 4 * 4 * 3 * 3 * 3 * 5 + 4 * 4 * 5 * 7


def test_depthwise_and_separable_convolutions_cost_what_they_multiply():
    images = keras.Input((24, 24, 64))
    depthwise = keras.Model(images, keras.layers.DepthwiseConv2D(3, padding="same")(images))
    assert multiply_adds(depthwise) == 24 * 24 * 3 * 3 * 64 == 331_776
    separable = keras.Model(images, keras.layers.SeparableConv2D(32, 3, padding="same")(images))
    assert multiply_adds(separable) == 24 * 24 * (3 * 3 * 64 + 64 * 32) == 1_511_424


def test_a_dense_layer_on_a_map_costs_its_weights_at_every_position():
    images = keras.Input((4, 4, 3))
    network = keras.Model(images, keras.layers.BatchNormalization()(keras.layers.Dense(5)(images)))
    assert multiply_adds(network) == 4 * 4 * 3 * 5


def test_a_layer_whose_cost_is_not_known_is_refused_by_name():
    steps = keras.Input((4, 3))
    network = keras.Model(steps, keras.layers.LSTM(2, name="memory")(steps))
    with pytest.raises(ModelError, match=r"layer memory \(LSTM\) has weights, but what it costs"):
        multiply_adds(network)


def test_resnet50v2_costs_what_the_literature_says(sample_params):
    model = sample_params.model.model_copy(
        update={"backbone": "resnet50v2", "stem": "imagenet", "image_size": 224, "dense_units": 0}
    )
    # torchvision and Keras list 3.5 to 4.1 thousand millions at 224 pixels.
    assert multiply_adds(build_network(model)) == pytest.approx(3.5e9, rel=0.02)
