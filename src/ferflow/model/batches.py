"""The batches of one epoch, cut from images in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ferflow.model.backend import load_keras

keras = load_keras()


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
    """The batches of one epoch, in an order drawn from (seed, epoch), all of one size.

    The last batch is filled up with the first images of the order: a batch of another shape would
    be compiled anew, and oneDNN under TensorFlow 2.21 corrupts memory when the shape changes.
    """

    def __init__(self, inputs: Any, targets: Any, *, batch_size: int, order_seed: tuple[int, int]) -> None:
        super().__init__()
        self._inputs = inputs
        self._targets = targets
        order = np.random.default_rng(order_seed).permutation(len(inputs))
        num_batches = math.ceil(len(order) / batch_size)
        self._batches = np.resize(order, (num_batches, batch_size))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = self._batches[index]
        return self._inputs[rows], self._targets[rows]
