"""Grad-CAM in closed form, compared with automatic differentiation."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.explain.faithfulness import measure
from ferflow.explain.gradcam import explained, keras_run
from ferflow.explain.heatmap import heatmaps
from ferflow.labels import EMOTIONS
from ferflow.model.network import build_network, load_network
from ferflow.model.saving import save_network
from ferflow.params import ModelParams, load_params
from tests.conftest import REPOSITORY

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


def _crosses(num_images: int, *, seed: int):
    """Noise with one bright mark whose shape tells the label, at any place: (images, labels)."""
    random = np.random.default_rng(seed)
    marks = [np.kron(random.permutation(9).reshape(3, 3) < 4, np.ones((4, 4))) for _ in EMOTIONS]
    random = np.random.default_rng(seed + num_images)
    labels = np.arange(num_images) % len(EMOTIONS)
    images = random.integers(60, 120, (num_images, 48, 48))
    for image, label in zip(images, labels, strict=True):
        top, left = random.integers(0, 37, 2)
        image[top : top + 12, left : left + 12] += (130 * marks[label]).astype(int)
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def trained():
    """A small network that has learnt the marks, and images that it has not seen."""
    params = load_params(REPOSITORY / "params.yaml").model.model_copy(
        update={"widths": [8, 16, 16], "depths": [1, 1, 1], "stem": "stride2"}
        | {"pooling": "average", "dense_units": 0, "dropout_features": 0.0, "dropout_head": 0.0}
    )
    keras.utils.set_random_seed(4)
    network = build_network(params)
    images, labels = _crosses(700, seed=7)
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(images[..., None], labels, batch_size=50, epochs=9, verbose=0)
    fresh = _crosses(105, seed=7)
    assert network.evaluate(fresh[0][..., None], fresh[1], batch_size=35, verbose=0)[1] > 0.7
    return network, fresh[0]


@pytest.mark.slow
def test_covering_what_is_hot_harms_the_answer_more_than_covering_what_is_cold(trained):
    found = measure(keras_run(trained[0]), trained[1])
    assert found.num_images == 105
    assert found.drop_hottest > 0.5
    assert found.drop_coldest < found.drop_random < found.drop_hottest / 4


@pytest.mark.slow
def test_maps_of_a_network_with_random_weights_differ(trained):
    """As Adebayo et al. (2018) ask: what does not depend on the weights explains no network."""
    network, images = trained
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    random = np.random.default_rng(6)
    for variable in copy.get_layer("resnet_v2").trainable_variables:
        variable.assign(random.permutation(np.asarray(variable.value).ravel()).reshape(variable.shape))
    classes = np.asarray(network.predict_on_batch(images[..., None])).argmax(axis=1)
    heat = [heatmaps(keras_run(each), images, classes).reshape(len(images), -1) for each in (network, copy)]
    again = heatmaps(keras_run(network), images, classes).reshape(len(images), -1)
    np.testing.assert_allclose(again, heat[0], atol=1e-5)
    likeness = [np.corrcoef(one, other)[0, 1] for one, other in zip(*heat, strict=True) if other.max() > 0]
    assert np.mean(likeness) < 0.5
