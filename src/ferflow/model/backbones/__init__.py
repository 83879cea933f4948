"""Backbones: a file each; `model.backbone` names one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferflow.model.backend import load_keras
from ferflow.params.entries import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Backbone(Entry):
    """What a backbone says of itself.

    Attributes:
        build: Called with its options, `size` (side of the input in pixels) and `weights` (`imagenet` or
            None); gives a `keras.Model` from (N, size, size, 1 or 3) to (N, h, w, channels). Its layers, in
            their order, are those that `model.unfreeze_layers` counts.
        pixel_range: The lowest and the highest value that it takes pixels as.
        has_imagenet: Whether `build` knows ImageNet weights.
    """

    build: Callable[..., Any]
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    has_imagenet: bool = False


REGISTRY = Registry(__name__, Backbone, key="model.backbone")


def from_applications(name: str, *, size: int, weights: str | None, **options: Any) -> Any:
    """A network of `keras.applications` without its head.

    BatchNorm's running statistics follow within tens of steps, not hundreds, as a small data set needs.

    Args:
        name: The name of the function, such as `EfficientNetV2B0`.
        size: Side of the input in pixels.
        weights: `imagenet` or None.
        options: Others of the function.
    """
    keras = load_keras()
    pixels = keras.Input((size, size, 3), name="pixels")
    build = getattr(keras.applications, name)
    backbone = build(include_top=False, weights=weights, input_tensor=pixels, **options)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 0.9)
    return backbone
