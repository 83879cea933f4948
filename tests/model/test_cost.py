"""The cost of an answer."""

from __future__ import annotations

import pytest

from ferflow.model.backend import load_keras
from ferflow.model.cost import multiply_adds
from ferflow.model.network import build_network

keras = load_keras()


def test_a_convolution_costs_its_window_at_every_position():
    images = keras.Input((8, 8, 3))
    values = keras.layers.Conv2D(5, 3, strides=2, padding="same")(images)
    network = keras.Model(images, keras.layers.Dense(7)(keras.layers.Flatten()(values)))
    assert multiply_adds(network) == 4 * 4 * 3 * 3 * 3 * 5 + 4 * 4 * 5 * 7


def test_resnet50v2_costs_what_the_literature_says(sample_params):
    model = sample_params.model.model_copy(
        update={"backbone": "resnet50v2", "stem": "imagenet", "image_size": 224, "dense_units": 0}
    )
    # torchvision and Keras list 3.5 to 4.1 thousand millions at 224 pixels.
    assert multiply_adds(build_network(model)) == pytest.approx(3.5e9, rel=0.02)
