"""A network small enough to train in a test, and images that can be learnt."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import Params, check_params, read_yaml
from tests.conftest import REPOSITORY

# Flags of XLA: it compiles a step of training in less time, and a few steps do not need faster code.
QUICKLY_COMPILED = "--xla_backend_optimization_level=0"


def tiny() -> Params:
    """Profile sample with the smallest residual network and three epochs."""
    values = read_yaml(REPOSITORY / "params.yaml")
    values["model"] |= {
        "widths": [4, 8],
        "depths": [1, 1],
        "dense_units": 8,
        "dropout_features": 0.1,
        "dropout_head": 0.2,
    }
    values["train"] |= {"epochs": 3, "batch_size": 16, "early_stopping_patience": 0}
    return check_params(values, origin="tiny")


@pytest.fixture
def tiny_params() -> Params:
    """See `tiny`."""
    return tiny()


@pytest.fixture(scope="session")
def bars():
    """Images with a bright bar whose height tells the label: (images, labels)."""
    random = np.random.default_rng(1)
    labels = np.arange(84, dtype=np.uint8) % len(EMOTIONS)
    images = random.integers(0, 60, (len(labels), IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[6 * label : 6 * label + 6] += 180
    return images, labels
