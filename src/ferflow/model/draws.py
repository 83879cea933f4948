"""Random numbers for augmentation, whose state is a variable that checkpoints keep."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from ferflow.model.backend import load_keras

keras = load_keras()

_NUM_QUANTILES = 4096


class Draws:
    """Random numbers for each image of a batch, from a generator whose state is a variable.

    Args:
        generator: A `keras.random.SeedGenerator`.
        number: The number of images.
    """

    def __init__(self, generator: Any, number: Any) -> None:
        self.generator = generator
        self.number = number

    def uniform(self, strength: float) -> Any:
        """(N,) uniform values between -strength and strength."""
        return keras.random.uniform((self.number,), -strength, strength, seed=self.generator)

    def share(self) -> Any:
        """(N,) uniform values between 0 and 1."""
        return self.uniform(0.5) + 0.5

    def beta(self, alpha: float) -> Any:
        """(N,) values of Beta(alpha, alpha).

        By its quantiles: TensorFlow's own generator has no XLA kernel.
        """
        levels = keras.random.uniform((self.number,), 0, _NUM_QUANTILES, seed=self.generator)
        places = keras.ops.minimum(keras.ops.cast(levels, "int32"), _NUM_QUANTILES - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(_quantiles(alpha)), places)


@lru_cache
def _quantiles(alpha: float) -> NDArray[np.float32]:
    levels = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
    return np.asarray(betaincinv(alpha, alpha, levels), np.float32)
