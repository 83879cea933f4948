"""Several devices share each batch: the same training as on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ferflow.errors import ModelError, ParamsError
from ferflow.model.backend import load_keras, num_devices, set_up_process
from ferflow.params import check_params
from tests.conftest import REPOSITORY
from tests.model.conftest import QUICKLY_COMPILED


@pytest.fixture
def values(sample_values) -> dict:
    """A tiny network with every random draw: augmentation, mixup, dropout."""
    sample_values["model"] |= {"widths": [8], "depths": [1], "image_size": 32, "dropout_features": 0.2}
    sample_values["augment"] |= {"erasing": 0.3, "mixup": 0.2}
    sample_values["train"] |= {"epochs": 2, "batch_size": 16, "schedule": "plateau", "warmup_epochs": 0.0}
    return sample_values


@pytest.mark.slow
def test_two_devices_train_as_one_and_go_on_after_a_stop(values):
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.data_parallel", json.dumps(values)],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {QUICKLY_COMPILED}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout).values()
    assert (one["num_devices"], two["num_devices"]) == (1, 2)
    assert one["epochs"] == two["epochs"] == 2
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
    assert two["val_loss"] == pytest.approx(one["val_loss"], abs=1e-4)
    assert two["weights"] == pytest.approx(one["weights"], rel=1e-5)
    assert one["loss"][0] != one["loss"][1]
    assert "going on after epoch 1" in done.stderr


def test_a_batch_that_cannot_be_shared_is_refused(values):
    values["train"] |= {"devices": 3}
    with pytest.raises(ParamsError, match=r"train.batch_size is 16, which 3 devices cannot share evenly"):
        check_params(values, origin="params.yaml")


def test_devices_that_are_not_there_or_cannot_share_are_refused():
    refusals = {
        "tensorflow": r"train.devices is 64, but backend tensorflow trains on one; export KERAS_BACKEND=jax",
        "jax": r"train.devices is 64, but JAX has \d+ here \(cpu:0",
    }
    with pytest.raises(ModelError, match=refusals[load_keras().backend.backend()]):
        set_up_process(1, "float32", 64)
    assert num_devices() == 1
