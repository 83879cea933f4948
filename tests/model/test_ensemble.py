"""Ensembles: the mean of networks, in every place where a network goes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ferflow.errors import ModelError
from ferflow.explain.gradcam import explained
from ferflow.model.cost import multiply_adds
from ferflow.model.ensemble import mean_of
from ferflow.model.network import build_network, image_size_of, load_network, members_of
from ferflow.model.prediction import predict_probabilities
from ferflow.model.saving import save_as_it_is


@pytest.fixture
def members(sample_params):
    """Two networks of other sizes, so that also the sizes of their maps differ."""
    keras.utils.set_random_seed(4)
    small, large = (
        sample_params.model.model_copy(
            update={"widths": widths, "depths": [1] * len(widths), "image_size": size}
        )
        for widths, size in (([4], 48), ([4, 8], 64))
    )
    return [build_network(small), build_network(large)]


def test_an_ensemble_answers_with_the_mean_and_costs_the_sum(members, bars, tmp_path):
    answers = [predict_probabilities(member, bars[0][:9], batch_size=8) for member in members]
    cost = sum(multiply_adds(member) for member in members)
    for number, member in enumerate(members):
        save_as_it_is(member, tmp_path / f"{number}.keras")
    for name in ("mean", "again"):
        read = [load_network(tmp_path / f"{number}.keras") for number in range(2)]
        save_as_it_is(mean_of(read), tmp_path / f"{name}.keras")
    loaded = load_network(tmp_path / "mean.keras")
    found = predict_probabilities(loaded, bars[0][:9], batch_size=8)
    np.testing.assert_allclose(found, (answers[0] + answers[1]) / 2, atol=1e-6)
    assert np.abs(answers[0] - answers[1]).max() > 0.001
    assert multiply_adds(loaded) == cost
    assert image_size_of(loaded) == 64
    assert [member.name for member in members_of(loaded)] == ["member_1", "member_2"]
    assert (tmp_path / "again.keras").read_bytes() == (tmp_path / "mean.keras").read_bytes()


def test_maps_of_an_ensemble_are_the_mean_of_its_members(members, bars):
    images = bars[0][:3, ..., None]
    large, small = (np.asarray(explained(member).predict_on_batch(images)[1]) for member in members)
    found, maps = explained(mean_of(members)).predict_on_batch(images)
    assert maps.shape == large.shape == (3, 7, 24, 24)
    assert small.shape == (3, 7, 16, 16)
    enlarged = keras.ops.image.resize(small.transpose(0, 2, 3, 1), large.shape[2:], interpolation="bilinear")
    expected = (np.asarray(enlarged).transpose(0, 3, 1, 2) + large) / 2
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())
    assert found.shape == (3, 7)


def test_one_network_is_no_ensemble(members):
    with pytest.raises(ModelError, match="two networks or more, 1 given"):
        mean_of(members[:1])
