"""Trains 20 steps on one device and on two, and prints the losses; a process with two virtual devices."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from ferflow.data.subsets import LabelledImages
from ferflow.model.backend import num_devices, set_up_process
from ferflow.model.checkpoint import CheckpointStore
from ferflow.model.network import build_network
from ferflow.model.training import train_network
from ferflow.params import check_params

_STEPS, _BATCH = 20, 16


def main(values: dict) -> dict:
    """Losses and the sum of the weights by number of devices; the last run goes on from its first epoch."""
    random = np.random.default_rng(3)
    number = _STEPS // 2 * _BATCH
    training, validation = (
        LabelledImages(
            random.integers(0, 256, (size, 48, 48), dtype=np.uint8),
            random.integers(0, 7, size, dtype=np.uint8),
        )
        for size in (number, 13)
    )
    found = {}
    for devices in (1, 2):
        values["train"]["devices"] = devices
        params = check_params(values, origin="test")
        with tempfile.TemporaryDirectory() as folder:
            for epochs in (1, 2) if devices == 2 else (2,):
                set_up_process(params.seed, params.train.precision, devices)
                network = build_network(params.model)
                state = train_network(
                    network,
                    training,
                    validation,
                    params=_with_epochs(params, epochs),
                    checkpoints=CheckpointStore(Path(folder), "run"),
                )
        found[devices] = {
            "num_devices": num_devices(),
            "epochs": len(state.history),
            "loss": [row["loss"] for row in state.history],
            "val_loss": [row["val_loss"] for row in state.history],
            "weights": float(sum(np.abs(weight).sum() for weight in network.get_weights())),
        }
    return found


def _with_epochs(params, epochs: int):
    return params.model_copy(update={"train": params.train.model_copy(update={"epochs": epochs})})


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201
