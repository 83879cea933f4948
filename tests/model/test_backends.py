"""TensorFlow and JAX compute the same training."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ferflow.params import read_yaml
from tests.conftest import REPOSITORY
from tests.model.conftest import QUICKLY_COMPILED

# Trains 20 steps without augmentation from weights that depend on NumPy alone, once for each of several
# parameters; prints the losses.
_TRAIN = """
import json, sys
import numpy as np
from ferflow.data.subsets import LabelledImages
from ferflow.model.backend import set_up_process
from ferflow.model.network import build_network
from ferflow.model.training import build_trainer
from ferflow.params import check_params

def train(values):
    params = check_params(values, origin="test")
    set_up_process(params.seed, params.train.precision)
    random = np.random.default_rng(3)
    data = LabelledImages(random.integers(0, 256, (320, 48, 48), dtype=np.uint8), random.integers(0, 7, 320))
    network = build_network(params.model)
    network.set_weights([
        random.normal(0, (2 / np.prod(weight.shape[:-1])) ** 0.5, weight.shape) if weight.ndim > 1 else weight
        for weight in network.get_weights()
    ])
    trainer = build_trainer(network, params, num_images=320)
    losses = []
    for start in range(0, 320, 16):
        trainer.reset_metrics()
        batch = data.inputs()[start : start + 16], data.targets()[start : start + 16]
        losses.append(float(trainer.train_on_batch(*batch, return_dict=True)["loss"]))
    return losses

print(json.dumps([train(values) for values in json.loads(sys.argv[1])]))
"""
_OPTIMIZERS = ("sgd", "adamw")


def _values(optimizer: str) -> dict:
    values = read_yaml(REPOSITORY / "params.yaml")
    values["model"] |= {
        "widths": [8, 16],
        "depths": [1, 1],
        "dense_units": 16,
        "dropout_features": 0.0,
        "dropout_head": 0.0,
    }
    values["augment"] |= {"flip": False} | dict.fromkeys(
        ("rotation", "zoom", "shift", "brightness", "contrast"), 0.0
    )
    # Small enough that the steps do not blow rounding up: at 0.001 the losses differ by 3e-4 with SGD.
    values["train"] |= {"batch_size": 16, "optimizer": optimizer, "learning_rate": 0.0003}
    return values


@pytest.fixture(scope="module")
def losses() -> dict[str, dict[str, list[float]]]:
    """Of each backend, which has a process of its own, and optimizer."""
    found = {}
    for backend in ("tensorflow", "jax"):
        done = subprocess.run(
            [sys.executable, "-c", _TRAIN, json.dumps([_values(optimizer) for optimizer in _OPTIMIZERS])],
            cwd=REPOSITORY,
            env=os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": QUICKLY_COMPILED},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[backend] = dict(zip(_OPTIMIZERS, json.loads(done.stdout), strict=True))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
def test_backends_have_equal_losses_over_20_steps(optimizer, losses):
    tensorflow, jax = (losses[backend][optimizer] for backend in ("tensorflow", "jax"))
    assert len(jax) == 20
    assert jax[0] != jax[-1]
    np.testing.assert_allclose(jax, tensorflow, atol=1e-4)
