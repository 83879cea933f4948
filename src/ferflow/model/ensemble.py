"""Several networks as one: the mean of their probabilities, a network like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferflow.errors import ModelError
from ferflow.model.backend import load_keras
from ferflow.model.network import MEAN

keras = load_keras()


def mean_of(networks: Sequence[Any]) -> Any:
    """One network whose probabilities are the mean of those of several.

    It is saved, scored, exported and registered as its members are; an answer costs the sum of theirs.

    Args:
        networks: Two or more of `load_network`; they are renamed, and belong to the mean from now on.

    Returns:
        A `keras.Model` from (N, 48, 48, 1), 0-255, to (N, 7) float32.

    Raises:
        ModelError: There is one network only, or none.
    """
    if len(networks) < 2:
        raise ModelError(
            f"an ensemble needs two networks or more, {len(networks)} given; name another .keras file"
        )
    images = keras.Input(networks[0].input_shape[1:], name="images")
    answers = []
    for number, network in enumerate(networks, start=1):
        network.name = f"member_{number}"
        answers.append(network(images))
    mean = keras.layers.Average(dtype="float32", name=MEAN)(answers)
    return keras.Model(images, mean, name=f"ferflow_mean_of_{len(networks)}")
