"""Random changes of training images, inside the compiled training step.

One affine map an image (rotation, zoom, shift and mirror at once, bilinear, edges repeated as
the paper's `fill_mode="nearest"`), then brightness and contrast. Works on the 48 px image before
it is resized, and is never part of the saved network.
"""

from __future__ import annotations

import math
from typing import Any

from ferflow.labels import IMAGE_SIZE
from ferflow.model.backend import load_keras
from ferflow.params import AugmentParams

keras = load_keras()


class Augment(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Draw and apply random changes: (N, 48, 48, 1), 0-255, to float32 of the same shape and range.

    Unlike Keras' own random layers it changes images only where `training` is true.

    Args:
        params: Strengths of the changes.
        seed: Seed of the first draw; the state after it is a variable of the layer.
    """

    def __init__(self, params: AugmentParams, *, seed: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.params = params
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """The changed images while training, the same images otherwise."""
        images = keras.ops.cast(images, "float32")
        if not training:
            return images
        changed = keras.ops.image.affine_transform(
            images,
            self._affine_maps(keras.ops.shape(images)[0]),
            interpolation="bilinear",
            fill_mode="nearest",
        )
        return self._light(changed)

    def _affine_maps(self, num_images: Any) -> Any:
        """(N, 8) coefficients of the map from output to input pixels, about the image centre."""
        ops, params = keras.ops, self.params
        angle = self._draw(num_images, params.rotation * math.pi / 180)
        scale_x, scale_y = (1 + self._draw(num_images, params.zoom) for _ in range(2))
        shift_x, shift_y = (self._draw(num_images, params.shift) * IMAGE_SIZE for _ in range(2))
        if params.flip:
            scale_x = scale_x * ops.where(self._draw(num_images, 1.0) < 0, -1.0, 1.0)
        centre = (IMAGE_SIZE - 1) / 2
        a0, a1 = ops.cos(angle) * scale_x, -ops.sin(angle) * scale_y
        b0, b1 = ops.sin(angle) * scale_x, ops.cos(angle) * scale_y
        a2 = centre - centre * (a0 + a1) + shift_x
        b2 = centre - centre * (b0 + b1) + shift_y
        zero = ops.zeros_like(angle)
        return ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)

    def _light(self, images: Any) -> Any:
        ops = keras.ops
        if not (self.params.contrast or self.params.brightness):
            return images
        num_images = ops.shape(images)[0]
        column = (-1, 1, 1, 1)
        contrast = ops.reshape(1 + self._draw(num_images, self.params.contrast), column)
        brightness = ops.reshape(self._draw(num_images, self.params.brightness) * 255, column)
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return ops.clip((images - mean) * contrast + mean + brightness, 0, 255)

    def _draw(self, num_images: Any, strength: float) -> Any:
        """(N,) uniform values between -strength and strength."""
        return keras.random.uniform((num_images,), -strength, strength, seed=self.seed_generator)
