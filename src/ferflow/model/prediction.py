"""Probabilities of the seven emotions for a whole subset."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS
from ferflow.model.backend import memory_errors, num_devices, use_xla
from ferflow.model.network import image_size_of
from ferflow.model.statistics import worst_sum
from ferflow.model.views import averaged_over_views
from ferflow.params.evaluate import NUM_VIEWS
from ferflow.progress import track


def predict_probabilities(
    network: Any,
    images: NDArray[np.uint8],
    *,
    batch_size: int,
    test_time_augmentation: str = "none",
    label: str | None = None,
    batch_size_key: str = "evaluate.batch_size",
) -> NDArray[np.float64]:
    """Run a network over images.

    Args:
        network: A network of `load_network`.
        images: (N, 48, 48) uint8, 0-255, grey.
        batch_size: Images a step; with test-time averaging, views a step.
        test_time_augmentation: The views that probabilities are averaged over, one of `NUM_VIEWS`.
        label: What to call the work where its progress is to be shown.
        batch_size_key: The parameter that `batch_size` comes from, to name where memory is short.

    Returns:
        (N, 7) float64 probabilities in the order of `EMOTIONS`.

    Raises:
        ModelError: The network gives something else than probabilities, or memory is short.
    """
    averaged = averaged_over_views(network, test_time_augmentation)
    averaged.jit_compile = use_xla()
    size = max(1, min(batch_size // NUM_VIEWS[test_time_augmentation], len(images)))
    size += -size % num_devices()
    starts = range(0, len(images), size)
    tracked = track(starts, total=len(starts), label=label, unit="batches") if label else starts
    with memory_errors(batch_size_key, batch_size, image_size_of(network)):
        batches = [
            _predict_batch(averaged, images[start : start + size], batch_size=size) for start in tracked
        ]
    probabilities = np.concatenate([np.empty((0, len(EMOTIONS))), *batches])
    check_probabilities(probabilities)
    return probabilities


def check_probabilities(probabilities: NDArray[np.float64]) -> None:
    """See that a network's answers are probabilities.

    Args:
        probabilities: (N, 7).

    Raises:
        ModelError: A row does not add up to 1.
    """
    if (worst := worst_sum(probabilities)) is not None:
        raise ModelError(
            f"the model's outputs for one image add up to {worst[1]:g}, expected 1; use a model that ends in "
            "a softmax and whose weights are finite, such as one that 'ferflow train' wrote"
        )


def _predict_batch(network: Any, images: NDArray[np.uint8], *, batch_size: int) -> NDArray[np.float64]:
    """Predict at most a batch; a short one is filled up, so that one shape is compiled once."""
    inputs = np.zeros((batch_size, *images.shape[1:], 1), np.uint8)
    inputs[: len(images), ..., 0] = images
    return np.asarray(network.predict_on_batch(inputs), np.float64)[: len(images)]
