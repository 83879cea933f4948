"""Random changes of training images, inside the compiled training step.

One affine map an image (rotation, zoom, shift and mirror at once, bilinear, edges repeated as
the paper's `fill_mode="nearest"`), then brightness and contrast, then random erasing. Works on
the 48 px image before it is resized, and is never part of the saved network.
"""

from __future__ import annotations

import math
from typing import Any

from ferflow.labels import IMAGE_SIZE
from ferflow.model import affine
from ferflow.model.backend import load_keras
from ferflow.params import AugmentParams

keras = load_keras()

# Random erasing as in Zhong et al. 2017 (arXiv:1708.04896): smallest share of the area, and
# height to width.
_SMALLEST_ERASED_SHARE = 0.02
_LARGEST_ASPECT = 1 / 0.3


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
        moved = affine.transform(images, self._affine_maps(keras.ops.shape(images)[0]))
        return self._erase(self._light(moved))

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
        contrast = _column(1 + self._draw(num_images, self.params.contrast))
        brightness = _column(self._draw(num_images, self.params.brightness) * 255)
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return ops.clip((images - mean) * contrast + mean + brightness, 0, 255)

    def _erase(self, images: Any) -> Any:
        """Overwrite a random rectangle with noise, in the share `erasing` of the images."""
        ops = keras.ops
        if not self.params.erasing:
            return images
        num_images = ops.shape(images)[0]
        is_erased = self._draw(num_images, 0.5) + 0.5 < self.params.erasing
        smallest = min(_SMALLEST_ERASED_SHARE, self.params.erasing_area)
        half_range = (self.params.erasing_area - smallest) / 2
        area = smallest + half_range + self._draw(num_images, half_range)
        aspect = ops.exp(self._draw(num_images, math.log(_LARGEST_ASPECT)))
        inside = ops.reshape(is_erased, (-1, 1, 1))
        for share, axis_shape in (
            (ops.sqrt(area * aspect), (1, -1, 1)),
            (ops.sqrt(area / aspect), (1, 1, -1)),
        ):
            length = ops.minimum(share, 1.0) * IMAGE_SIZE
            start = (self._draw(num_images, 0.5) + 0.5) * (IMAGE_SIZE - length)
            start, length = (ops.reshape(values, (-1, 1, 1)) for values in (start, length))
            place = ops.reshape(ops.arange(IMAGE_SIZE, dtype="float32") + 0.5, axis_shape)
            inside = inside & (place >= start) & (place < start + length)
        noise = keras.random.uniform(ops.shape(images), 0.0, 255.0, seed=self.seed_generator)
        return ops.where(inside[..., None], noise, images)

    def _draw(self, num_images: Any, strength: float) -> Any:
        """(N,) uniform values between -strength and strength."""
        return keras.random.uniform((num_images,), -strength, strength, seed=self.seed_generator)


def _column(values: Any) -> Any:
    """(N,) as (N, 1, 1, 1), to meet images."""
    return keras.ops.reshape(values, (-1, 1, 1, 1))
