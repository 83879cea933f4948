"""Augmentations: a file each; section `augment` says how strong each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferflow.labels import IMAGE_SIZE
from ferflow.model.backend import load_keras
from ferflow.params.entries import Entry, Registry

if TYPE_CHECKING:
    from ferflow.model.draws import Draws


@dataclass(frozen=True, kw_only=True)
class Augmentation(Entry):
    """What an augmentation says of itself.

    Attributes:
        is_on: Whether its options change anything; nothing is drawn for one that is off.
    """

    is_on: Callable[[Any], bool]


@dataclass(frozen=True, kw_only=True)
class Change(Augmentation):
    """An augmentation that changes each image.

    Attributes:
        place: By which those that are on follow each other.
        change: Called with images (N, 48, 48, 1) float32, 0-255, its options and `Draws`; gives the changed
            images.
    """

    place: int
    change: Callable[[Any, Any, Draws], Any]


@dataclass(frozen=True, kw_only=True)
class Mixture(Augmentation):
    """An augmentation that mixes each image, and its label, with another.

    Attributes:
        mix: Called with images, the others (of the same shape, one for each), its options and `Draws`; gives
            the mixtures and the share of the image itself in each, (N, 1).
    """

    mix: Callable[[Any, Any, Any, Draws], tuple[Any, Any]]


def column(values: Any) -> Any:
    """(N,) as (N, 1, 1, 1), to meet images."""
    return load_keras().ops.reshape(values, (-1, 1, 1, 1))


def pixel_line(axis: int) -> Any:
    """The middles of the pixels along an axis, 0.5 to 47.5, in a shape that meets images."""
    ops = load_keras().ops
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return ops.reshape(ops.arange(IMAGE_SIZE, dtype="float32") + 0.5, shape)


REGISTRY = Registry(__name__, Augmentation, key="augment")
