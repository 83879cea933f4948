"""Random changes of training images, inside the compiled training step.

Works on the 48 px images before they are resized, and is never part of the saved network. Each
augmentation is a file in `augmentations/`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ferflow.model import augmentations
from ferflow.model.augmentations import Augmentation, Change, Mixture, column
from ferflow.model.backend import load_keras
from ferflow.model.draws import Draws
from ferflow.params import AugmentParams

keras = load_keras()

Kind = TypeVar("Kind", bound=Augmentation)


class Augment(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Draw and apply random changes: (N, 48, 48, 1), 0-255, to float32 of the same shape and range.

    Unlike Keras' own random layers it changes images only where `training` is true.

    Args:
        params: Strengths of the changes.
        seed: Seed of the first draw; the state after it is a variable of the layer.
    """

    def __init__(self, params: AugmentParams, *, seed: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._changes = sorted(_that_are_on(params, Change), key=lambda found: found[0].place)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """The changed images while training, the same images otherwise."""
        images = keras.ops.cast(images, "float32")
        if not training:
            return images
        draws = Draws(self.seed_generator, keras.ops.shape(images)[0])
        for entry, options in self._changes:
            images = entry.change(images, options, draws)
        return images


class Mixtures(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Mix each image with its mirror place in the batch: the first with the last, and so on.

    The order of a batch is random, so the pairs are. Where several augmentations mix, one is drawn for each
    image.

    Args:
        params: Strengths of the mixtures.
        seed: Seed of the first draw; the state after it is a variable of the layer.
    """

    def __init__(self, params: AugmentParams, *, seed: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self._mixers = _that_are_on(params, Mixture)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> tuple[Any, Any]:
        """Mixtures while training, the same images otherwise.

        Args:
            images: (N, 48, 48, 1) float32.
            training: Whether to mix.

        Returns:
            The mixtures, (N, 48, 48, 1) float32, and the share of the image itself in each, (N, 1).
        """
        ops = keras.ops
        number = ops.shape(images)[0]
        if not (training and self._mixers):
            return images, ops.ones((number, 1))
        draws = Draws(self.seed_generator, number)
        others = ops.flip(images, axis=0)
        mixtures = [entry.mix(images, others, options, draws) for entry, options in self._mixers]
        mixed, share = mixtures[0]
        for count, (next_mixed, next_share) in enumerate(mixtures[1:], start=2):
            is_next = column(draws.share() < 1 / count)
            mixed = ops.where(is_next, next_mixed, mixed)
            share = ops.where(ops.reshape(is_next, (-1, 1)), next_share, share)
        return mixed, share


def _that_are_on(params: AugmentParams, kind: type[Kind]) -> list[tuple[Kind, Any]]:
    """The augmentations of a kind that do anything, by name, with their options."""
    entries = augmentations.REGISTRY.entries().values()
    found = [(entry, params.options(entry.options)) for entry in entries if isinstance(entry, kind)]
    return [(entry, options) for entry, options in found if entry.is_on(options)]
