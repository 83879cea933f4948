"""Grad-CAM in closed form, compared with automatic differentiation."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS
from ferflow.model.explain import explained
from ferflow.model.network import build_network, load_network
from ferflow.model.saving import save_network
from ferflow.params import ModelParams

HEADS = {
    "average": {"pooling": "average", "dense_units": 0},
    "average with hidden layer": {"pooling": "average", "dense_units": 8},
    "flatten": {"pooling": "flatten", "dense_units": 0},
    "the paper's": {"pooling": "flatten", "dense_units": 8},
}


def _untrained(params: ModelParams):
    """A network whose every weight is drawn, BatchNorm's included; variances and scales above 0."""
    network = build_network(params)
    random = np.random.default_rng(5)
    for variable in network.variables:
        if variable.dtype != "float32":
            continue
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        else:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return network


def _gradients(head, features: np.ndarray, emotion: int) -> np.ndarray:
    """What the backend's own differentiation makes of a logit, (N, h, w, channels)."""
    if keras.backend.backend() == "jax":
        import jax

        def logit(values):
            outputs, _ = head.stateless_call(
                [each.value for each in head.trainable_variables],
                [each.value for each in head.non_trainable_variables],
                values,
                training=False,
            )
            return outputs[:, emotion].sum()

        return np.asarray(jax.grad(logit)(features))
    import tensorflow as tf

    values = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(values)
        logit = head(values, training=False)[:, emotion]
    return tape.gradient(logit, values).numpy()


@pytest.mark.parametrize("head", HEADS)
def test_maps_are_those_of_automatic_differentiation(tiny_params, bars, head):
    network = _untrained(tiny_params.model.model_copy(update=HEADS[head]))
    images = bars[0][:6, :, :, None]
    probabilities, maps = (np.asarray(output) for output in explained(network).predict_on_batch(images))
    np.testing.assert_allclose(probabilities, network.predict_on_batch(images), atol=1e-6)

    between = network.get_layer("features_bn").input
    features = np.asarray(keras.Model(network.input, between).predict_on_batch(images))
    behind = keras.Model(between, network.get_layer("logits").output)
    assert maps.shape == (6, len(EMOTIONS), *features.shape[1:3])
    assert maps.dtype == np.float32
    for emotion in range(len(EMOTIONS)):
        weights = _gradients(behind, features, emotion).mean(axis=(1, 2), keepdims=True)
        expected = (weights * features).sum(axis=-1)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(maps[:, emotion], expected, atol=1e-5 * np.abs(expected).max())


def test_a_saved_network_is_explained_like_the_one_in_training(tmp_path, tiny_params, bars):
    network = _untrained(tiny_params.model)
    save_network(network, tiny_params.model, tmp_path / "model.keras")
    loaded = explained(load_network(tmp_path / "model.keras"))
    images = bars[0][:4, :, :, None]
    for one, two in zip(
        loaded.predict_on_batch(images), explained(network).predict_on_batch(images), strict=True
    ):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), atol=1e-5)


def _with_tanh() -> keras.Model:
    images = keras.Input((48, 48, 1))
    values = keras.layers.Conv2D(3, 5, strides=4)(images)
    values = keras.layers.BatchNormalization(name="features_bn")(values)
    values = keras.layers.GlobalAveragePooling2D(name="pool")(values)
    values = keras.layers.Dense(4, activation="tanh", name="hidden")(values)
    logits = keras.layers.Dense(7, name="logits")(values)
    return keras.Model(images, keras.layers.Softmax(name="probabilities")(logits), name="other")


def _without_names() -> keras.Model:
    images = keras.Input((48, 48, 1))
    values = keras.layers.Flatten(name="flat")(images)
    return keras.Model(images, keras.layers.Dense(7, activation="softmax", name="answer")(values))


@pytest.mark.parametrize(
    ("build", "found"),
    [(_with_tanh, "features_bn, pool, hidden, logits, probabilities"), (_without_names, "flat, answer")],
)
def test_another_head_is_an_error_that_names_its_layers(build, found):
    with pytest.raises(ModelError, match=f"its last layers are .*{found}; expected the head that"):
        explained(build())
