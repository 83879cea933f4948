"""Affine maps: what XLA compiles equals TensorFlow's own kernel."""

from __future__ import annotations

import jax
import keras
import numpy as np
import tensorflow

from ferflow.model.affine import gather_bilinear


def test_gather_bilinear_equals_the_kernel_of_tensorflow():
    random = np.random.default_rng(4)
    images = random.uniform(0, 255, (16, 48, 48, 1)).astype(np.float32)
    maps = np.zeros((16, 8), np.float32)
    maps[:, [0, 4]] = random.uniform(-1.3, 1.3, (16, 2))
    maps[:, [1, 3]] = random.uniform(-0.5, 0.5, (16, 2))
    maps[:, [2, 5]] = random.uniform(-10, 40, (16, 2))
    maps[0] = [1, 0, 0, 0, 1, 0, 0, 0]
    expected = tensorflow.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=maps,
        output_shape=(48, 48),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    found = np.asarray(gather_bilinear(images, maps))
    np.testing.assert_allclose(found, expected, atol=0.02)
    np.testing.assert_array_equal(found[0], images[0])


def test_gather_bilinear_is_compiled_by_xla():
    images = np.arange(2 * 48 * 48, dtype=np.float32).reshape(2, 48, 48, 1) % 251
    mirrored = np.tile(np.float32([-1, 0, 47, 0, 1, 0, 0, 0]), (2, 1))
    is_jax = keras.backend.backend() == "jax"
    compiled = jax.jit(gather_bilinear) if is_jax else tensorflow.function(gather_bilinear, jit_compile=True)
    np.testing.assert_array_equal(np.asarray(compiled(images, mirrored)), images[:, :, ::-1])
