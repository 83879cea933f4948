"""What an answer of a network costs."""

from __future__ import annotations

import math
from typing import Any

from ferflow.errors import ModelError
from ferflow.model.backend import load_keras

keras = load_keras()

# Layers that cost one product a value or less, which is not counted, though their weights do not show it.
_UNCOUNTED = (keras.layers.LayerNormalization, keras.layers.Normalization, keras.layers.PReLU)


def multiply_adds(network: Any) -> int:
    """Multiplications, each with its addition, that one image takes: of convolutions and dense layers.

    Normalisation, activations and pooling are not counted, as is usual.

    Args:
        network: A network of `load_network` or `build_network`; inner models are gone through.

    Raises:
        ModelError: It has a layer with weights whose cost is not known.
    """
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, keras.layers.SeparableConv2D):
            # A window for each channel, then a product a channel for each filter, at every position.
            weights = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
            total += _positions(layer) * weights
        elif isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            # Each output position of each filter takes one product a weight of its window.
            total += _positions(layer) * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        elif not (isinstance(layer, _UNCOUNTED) or _is_one_product_a_value(layer)):
            raise ModelError(
                f"layer {layer.name} ({type(layer).__name__}) has weights, but what it costs is not known; "
                "add it to ferflow.model.cost, since the registry compares costs"
            )
    return total


def _is_one_product_a_value(layer: Any) -> bool:
    """Whether a layer has no weights, or one a channel, as normalisation and scaling have; or a counter."""
    return all(len(weight.shape) <= 1 for weight in layer.weights)


def _positions(layer: Any) -> int:
    """Places at which a convolution's window is laid."""
    height, width = layer.output.shape[1:3]
    return int(height * width)
