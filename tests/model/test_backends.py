"""TensorFlow and JAX compute the same training."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY

# Trains 20 steps without augmentation from weights that depend on NumPy alone; prints the losses.
_TRAIN = """
import json, sys
import numpy as np
from ferflow.data.subsets import LabelledImages
from ferflow.model.backend import set_up_process
from ferflow.model.network import build_network
from ferflow.model.training import build_trainer
from ferflow.params import check_params

params = check_params(json.loads(sys.argv[1]), origin="test")
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
print(json.dumps(losses))
"""


def _losses(backend: str, values: dict) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, json.dumps(values)],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_backends_have_equal_losses_over_20_steps(optimizer, sample_values):
    sample_values["model"] |= {
        "widths": [8, 16],
        "depths": [1, 1],
        "dense_units": 16,
        "dropout_features": 0.0,
        "dropout_head": 0.0,
    }
    sample_values["augment"] |= {"flip": False} | dict.fromkeys(
        ("rotation", "zoom", "shift", "brightness", "contrast"), 0.0
    )
    # Small enough that the steps do not blow rounding up: at 0.001 the losses differ by 3e-4 with SGD.
    sample_values["train"] |= {"batch_size": 16, "optimizer": optimizer, "learning_rate": 0.0003}
    tensorflow, jax = (_losses(backend, sample_values) for backend in ("tensorflow", "jax"))
    assert len(jax) == 20
    assert jax[0] != jax[-1]
    np.testing.assert_allclose(jax, tensorflow, atol=1e-4)
