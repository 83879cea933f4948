"""The order of an epoch, and its batches of one size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def epoch_rows(num_images: int, *, batch_size: int, order_seed: tuple[int, int]) -> NDArray[np.int64]:
    """The images of an epoch, in an order drawn from (seed, epoch), as whole batches.

    The last batch is filled up with the first images of the order: a batch of another shape would
    be compiled anew, and oneDNN under TensorFlow 2.21 corrupts memory when the shape changes.

    Args:
        num_images: How many there are.
        batch_size: Images of a batch.
        order_seed: Seed of the run, and the epoch.

    Returns:
        (B x batch_size,) int64 row numbers; B is `num_images / batch_size`, rounded up.
    """
    order = np.random.default_rng(order_seed).permutation(num_images)
    return np.resize(order, -(-num_images // batch_size) * batch_size)
