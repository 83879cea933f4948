"""Each backbone of the registry: it builds, learns, is saved, counted and named."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.errors import ParamsError
from ferflow.model import backbones
from ferflow.model.cost import multiply_adds
from ferflow.model.network import build_network, count_parameters, load_network, set_trainable_layers
from ferflow.model.saving import save_network
from ferflow.params import ModelParams, check_params

# Multiplications of an answer at 224 px as published: arXiv:1905.02244 table 4, the repository of
# arXiv:2104.00298 (0.72 G), arXiv:2201.03545 table 1.
_PUBLISHED = {"mobilenet_v3_small": 56e6, "efficientnet_v2_b0": 0.72e9, "convnext_tiny": 4.5e9}
_SMALL = {"image_size": 32, "widths": [4, 8], "depths": [1, 1], "mobilenet_width": 0.25}


def _params(sample_values, name, **changes) -> ModelParams:
    sample_values["model"] |= {**_SMALL, "backbone": name, "dropout_features": 0.0, **changes}
    return check_params(sample_values, origin="test").model


def test_the_registry_lists_its_files_and_imports_none():
    assert backbones.REGISTRY.names() == (
        "convnext_tiny",
        "efficientnet_v2_b0",
        "mobilenet_v3_small",
        "resnet50v2",
        "resnet_v2",
    )


# The large published ones take 6 to 8 seconds each. That they build and are counted, `make test` sees below.
_LARGE = ("convnext_tiny", "efficientnet_v2_b0", "resnet50v2")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in _LARGE else ())
        for name in backbones.REGISTRY.names()
    ],
)
def test_a_backbone_takes_a_step_and_its_file_answers_as_it_does(tmp_path, sample_values, name):
    keras.utils.set_random_seed(1)
    params = _params(sample_values, name, mobilenet_width=0.25)
    network = build_network(params)
    images = np.random.default_rng(1).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    before = network.get_weights()
    network.compile(
        "sgd", "categorical_crossentropy", run_eagerly=True
    )  # To compile takes longer than a step.
    assert np.isfinite(network.train_on_batch(images, np.eye(7)[[0, 1, 2, 3]]))
    changed = [not np.array_equal(old, new) for old, new in zip(before, network.get_weights(), strict=True)]
    assert np.mean(changed) > 0.9
    save_network(network, params, tmp_path / "model.keras")
    loaded = load_network(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(loaded(images)), np.asarray(network(images)), atol=1e-5)
    assert multiply_adds(loaded) > 0
    set_trainable_layers(network, 3)
    assert 0 < count_parameters(network).trainable < count_parameters(loaded).total


@pytest.mark.parametrize(("name", "cost"), _PUBLISHED.items())
def test_the_cost_is_that_of_the_published_network(sample_values, name, cost):
    network = build_network(_params(sample_values, name, mobilenet_width=1.0, image_size=224))
    assert multiply_adds(network) == pytest.approx(cost, rel=0.03)


@pytest.mark.parametrize(
    ("name", "pixel_range"),
    [("resnet_v2", (-1, 1)), ("mobilenet_v3_small", (-1, 1)), ("convnext_tiny", (0, 255))],
)
def test_pixels_come_in_the_range_that_the_backbone_says(sample_values, name, pixel_range):
    pixels = build_network(_params(sample_values, name, image_size=48)).get_layer("pixels")
    ends = np.asarray(pixels(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(48, 1).repeat(48, 2)))
    np.testing.assert_allclose(ends[:, 7, 9, 0], pixel_range)
    config = pixels.get_config()
    assert ("pixel_range" in config) == (pixel_range != (-1, 1))
    assert type(pixels).from_config(config).pixel_range == tuple(pixel_range)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"backbone": "vgg"},
            "model.backbone: 'vgg' found, expected 'convnext_tiny', 'efficientnet_v2_b0', ",
        ),
        ({"mobilenet_width": 9.0}, "model.mobilenet_width: 9.0 found, expected less than or equal to 2"),
        (
            {"backbone": "mobilenet_v3_small", "weights": "imagenet", "mobilenet_width": 0.5},
            "model.weights imagenet do not fit mobilenet_width 0.5; use 0.75 or 1.0",
        ),
        ({"convnext_width": 1}, "model.convnext_width: unknown key"),
    ],
)
def test_errors_name_the_key_and_what_the_entry_takes(sample_values, changes, expected):
    sample_values["model"] |= changes
    with pytest.raises(ParamsError) as caught:
        check_params(sample_values, origin="params.yaml")
    assert expected in str(caught.value)


def test_rules_between_keys_are_those_of_the_chosen_backbone_alone(sample_values):
    sample_values["model"] |= {"backbone": "convnext_tiny", "widths": [], "depths": [1]}
    params = check_params(sample_values, origin="params.yaml").model
    assert params.backbone_options.model_dump() == {}
