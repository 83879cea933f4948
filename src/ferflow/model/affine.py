"""Affine maps of a batch of images, each with its own: bilinear, edges repeated."""

from __future__ import annotations

from typing import Any

from ferflow.model.backend import load_keras, use_xla


def transform(images: Any, maps: Any) -> Any:
    """Resample images.

    TensorFlow's own kernel is the fastest on a CPU but cannot be part of an XLA program; where XLA
    is used the same is computed by gathering the four neighbours of each point.

    Args:
        images: (N, size, size, 1) float32.
        maps: (N, 8) float32; the value at (x, y) is taken from
            (m0 x + m1 y + m2, m3 x + m4 y + m5), in pixels. The last two are 0.

    Returns:
        (N, size, size, 1) float32.
    """
    if use_xla():
        return gather_bilinear(images, maps)
    image = load_keras().ops.image
    return image.affine_transform(images, maps, interpolation="bilinear", fill_mode="nearest")


def gather_bilinear(images: Any, maps: Any) -> Any:
    """`transform` from operations that XLA compiles on every backend."""
    ops = load_keras().ops
    size = images.shape[1]
    line = ops.arange(size, dtype="float32")
    x, y = ops.reshape(line, (1, 1, size)), ops.reshape(line, (1, size, 1))
    m = [ops.reshape(maps[:, index], (-1, 1, 1)) for index in range(6)]
    source_x = ops.clip(m[0] * x + m[1] * y + m[2], 0, size - 1)
    source_y = ops.clip(m[3] * x + m[4] * y + m[5], 0, size - 1)
    left, top = (ops.minimum(ops.floor(source), size - 2) for source in (source_x, source_y))
    share_x, share_y = source_x - left, source_y - top
    flat = ops.reshape(images, (-1, size * size))
    corner = ops.cast(top * size + left, "int32")

    def neighbour(offset: int) -> Any:
        places = ops.reshape(corner + offset, (-1, size * size))
        return ops.reshape(ops.take_along_axis(flat, places, axis=1), (-1, size, size))

    upper = neighbour(0) * (1 - share_x) + neighbour(1) * share_x
    lower = neighbour(size) * (1 - share_x) + neighbour(size + 1) * share_x
    return (upper * (1 - share_y) + lower * share_y)[..., None]
