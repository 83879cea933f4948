"""Residual networks with pre-activation (ResNetV2; He et al. 2016, arXiv:1603.05027) of any width.

For the stems and widths that `keras.applications.ResNet50V2` does not offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ferflow.model.backend import load_keras
from ferflow.params.section import Section

# Of the running statistics; shorter than Keras' 0.99, since a small data set has few steps an epoch.
_BATCH_NORM_MOMENTUM = 0.9
_BOTTLENECK_EXPANSION = 4


class Stem(Section):
    """The first layers: 7x7 stride 2 and a max-pool, 7x7 stride 2 without one, or 3x3 without stride."""

    stem: Literal["imagenet", "stride2", "stride1"]


def residual_backbone(
    widths: Sequence[int],
    depths: Sequence[int],
    *,
    stem: str,
    size: int,
    bottleneck: bool = False,
) -> Any:
    """Build a ResNetV2 without a head, from (N, size, size, 1) to (N, h, w, channels).

    Args:
        widths: Channels of each stage; a bottleneck block puts out four times as many.
        depths: Residual blocks of each stage; each stage but the first halves the side.
        stem: `imagenet` (7x7 stride 2, max-pool), `stride2` (7x7 stride 2) or `stride1` (3x3).
        size: Side of the input in pixels.
        bottleneck: Blocks of 1x1, 3x3, 1x1 as in ResNet50, instead of two 3x3.
    """
    keras = load_keras()
    layers = keras.layers
    images = keras.Input((size, size, 1), name="pixels")
    if stem == "stride1":
        values = _convolution(widths[0], 3, name="stem")(images)
    else:
        values = _convolution(widths[0], 7, stride=2, name="stem")(images)
    if stem == "imagenet":
        values = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(values)
    block = _bottleneck_block if bottleneck else _basic_block
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for index in range(depth):
            stride = 2 if stage > 1 and index == 0 else 1
            values = block(
                values, width, stride=stride, first=index == 0, name=f"stage{stage}_block{index + 1}"
            )
    values = _normalised(values, "post")
    return keras.Model(images, values, name="resnet50v2_small_stem" if bottleneck else "resnet_v2")


def _basic_block(values: Any, width: int, *, stride: int, first: bool, name: str) -> Any:
    active = _normalised(values, f"{name}_1")
    shortcut = _convolution(width, 1, stride=stride, name=f"{name}_shortcut")(active) if first else values
    values = _convolution(width, 3, stride=stride, name=f"{name}_1_conv")(active)
    values = _convolution(width, 3, name=f"{name}_2_conv")(_normalised(values, f"{name}_2"))
    return load_keras().layers.Add(name=f"{name}_add")([shortcut, values])


def _bottleneck_block(values: Any, width: int, *, stride: int, first: bool, name: str) -> Any:
    outputs = width * _BOTTLENECK_EXPANSION
    active = _normalised(values, f"{name}_1")
    shortcut = _convolution(outputs, 1, stride=stride, name=f"{name}_shortcut")(active) if first else values
    values = _convolution(width, 1, name=f"{name}_1_conv")(active)
    values = _convolution(width, 3, stride=stride, name=f"{name}_2_conv")(_normalised(values, f"{name}_2"))
    values = _convolution(outputs, 1, name=f"{name}_3_conv")(_normalised(values, f"{name}_3"))
    return load_keras().layers.Add(name=f"{name}_add")([shortcut, values])


def _normalised(values: Any, name: str) -> Any:
    layers = load_keras().layers
    values = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_bn")(values)
    return layers.ReLU(name=f"{name}_relu")(values)


def _convolution(filters: int, kernel: int, *, stride: int = 1, name: str) -> Any:
    return load_keras().layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )
