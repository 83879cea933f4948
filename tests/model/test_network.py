"""Networks: parameter counts, what is frozen, and that every way to call one gives the same."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.model.network import build_network, count_parameters, load_network, parameter_counts
from ferflow.model.saving import save_network
from ferflow.params import check_params
from ferflow.profiles import load_profile
from tests.conftest import REPOSITORY


def test_paper_profile_has_the_parameters_of_the_papers_figure_3():
    params = load_profile("paper", profiles=REPOSITORY / "profiles")
    assert parameter_counts(params.model) == (29_996_295, 22_779_527, 7_216_768)


def test_build_network_gives_probabilities_of_raw_pixels(tiny_params, bars):
    probabilities = build_network(tiny_params.model).predict(bars[0][..., None], verbose=0)
    assert probabilities.shape == (84, 7)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("image_size", [48, 64])
def test_network_agrees_between_call_predict_and_saved_file(tmp_path, tiny_params, bars, image_size):
    model = tiny_params.model.model_copy(update={"image_size": image_size})
    network = build_network(model)
    images = bars[0][:20, :, :, None]
    save_network(network, model, tmp_path / "model.keras")
    predicted = network.predict(images, verbose=0)
    np.testing.assert_allclose(np.asarray(network(images)), predicted, atol=1e-5)
    np.testing.assert_allclose(
        load_network(tmp_path / "model.keras").predict(images, verbose=0), predicted, atol=1e-6
    )


def test_network_call_leaves_batch_norm_statistics_alone(tiny_params, bars):
    network = build_network(tiny_params.model)
    before = network.get_weights()
    network(bars[0][:4, :, :, None])
    for old, weight in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, weight)


def test_save_network_writes_the_same_bytes_twice(tmp_path, tiny_params):
    network = build_network(tiny_params.model)
    for name in ("one.keras", "two.keras"):
        save_network(network, tiny_params.model, tmp_path / name)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("stem", ["imagenet", "stride2", "stride1"])
def test_stem_sets_the_side_of_the_features(tiny_params, stem):
    model = tiny_params.model.model_copy(update={"stem": stem})
    side = {"imagenet": 6, "stride2": 12, "stride1": 24}[stem]
    assert build_network(model).get_layer("resnet_v2").output_shape[1:3] == (side, side)


def test_resnet50v2_with_a_small_stem_has_bottleneck_blocks(sample_values):
    sample_values["model"] |= {"backbone": "resnet50v2", "stem": "stride1", "image_size": 48}
    model = check_params(sample_values, origin="small stem").model
    assert build_network(model).get_layer("resnet50v2_small_stem").output_shape == (None, 6, 6, 2048)


def test_unfreeze_layers_freezes_all_but_the_last(tiny_params):
    network = build_network(tiny_params.model.model_copy(update={"unfreeze_layers": 3}))
    backbone = network.get_layer("resnet_v2")
    assert [layer.trainable for layer in backbone.layers[-4:]] == [False, True, True, True]
    assert count_parameters(network).frozen > count_parameters(build_network(tiny_params.model)).frozen


def test_unfreeze_layers_beyond_the_backbone_is_an_error(tiny_params):
    with pytest.raises(
        ModelError, match=r"model\.unfreeze_layers: 999 found, but the backbone has \d+ layers"
    ):
        build_network(tiny_params.model.model_copy(update={"unfreeze_layers": 999}))


def test_weights_of_a_saved_network_start_another(tmp_path, tiny_params):
    network = build_network(tiny_params.model)
    save_network(network, tiny_params.model, tmp_path / "model.keras")
    model = tiny_params.model.model_copy(update={"weights": str(tmp_path / "model.keras"), "dense_units": 4})
    other = build_network(model)
    pairs = zip(*(each.get_layer("resnet_v2").get_weights() for each in (network, other)), strict=True)
    for one, two in pairs:
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "not found"), (b"PK nonsense", "does not fit backbone")]
)
def test_weights_that_cannot_be_used_are_an_error(tmp_path, tiny_params, content, expected):
    path = tmp_path / "weights.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=expected) as caught:
        build_network(tiny_params.model.model_copy(update={"weights": str(path)}))
    assert "model.weights" in str(caught.value)


def test_load_network_says_what_is_wrong(tmp_path):
    with pytest.raises(ModelError, match="not found; train a model first"):
        load_network(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="not a loadable Keras model"):
        load_network(tmp_path / "model.keras")
