"""What an answer of a network costs."""

from __future__ import annotations

import math
from typing import Any

from ferflow.model.backend import load_keras

keras = load_keras()


def multiply_adds(network: Any) -> int:
    """Multiplications, each with its addition, that one image takes: of convolutions and dense layers.

    Args:
        network: A network of `load_network` or `build_network`; inner models are gone through.
    """
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            # Each output position of each filter takes one product a weight of its window.
            positions = math.prod(layer.output.shape[1:3])
            total += positions * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total
