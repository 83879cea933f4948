"""Mixup: training on mixtures of two images and of their labels (Zhang et al. 2018, arXiv:1710.09412)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaincinv

from ferflow.model.backend import load_keras

keras = load_keras()

_NUM_QUANTILES = 4096


class Mixup(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Mix each image with its mirror place in the batch: the first with the last, and so on.

    The order of a batch is random, so the pairs are. The share of an image in its mixture is
    drawn from Beta(alpha, alpha) for each image, by its quantiles: TensorFlow's own generator has
    no XLA kernel.

    Args:
        alpha: Of the distribution; 0 mixes nothing and draws nothing.
        seed: Seed of the first draw; the state after it is a variable of the layer.
    """

    def __init__(self, alpha: float, *, seed: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.alpha = alpha
        self.seed_generator = keras.random.SeedGenerator(seed)
        levels = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
        self._quantiles = betaincinv(alpha, alpha, levels).astype(np.float32) if alpha else None

    def call(self, images: Any, training: bool = False) -> tuple[Any, Any]:
        """Mixtures while training, the same images otherwise.

        Args:
            images: (N, 48, 48, 1) float32.
            training: Whether to mix.

        Returns:
            The mixtures, (N, 48, 48, 1) float32, and the share of the image itself in each, (N, 1).
        """
        ops = keras.ops
        num_images = ops.shape(images)[0]
        if not (training and self.alpha):
            return images, ops.ones((num_images, 1))
        levels = keras.random.uniform((num_images,), 0, _NUM_QUANTILES, seed=self.seed_generator)
        places = ops.minimum(ops.cast(levels, "int32"), _NUM_QUANTILES - 1)
        share = ops.reshape(ops.take(ops.convert_to_tensor(self._quantiles), places), (-1, 1, 1, 1))
        return share * images + (1 - share) * ops.flip(images, axis=0), ops.reshape(share, (-1, 1))


def mixed_targets(targets: Any, outputs: Any) -> tuple[Any, Any]:
    """Targets of mixtures, and the logits of the network.

    Args:
        targets: (N, 7) of the images themselves, or (N, 14): those, then a teacher's softened answers.
        outputs: (N, 8): logits, then the shares that `Mixup` drew.

    Returns:
        (N, 7 or 14) targets and (N, 7) logits.
    """
    logits, share = outputs[:, :-1], outputs[:, -1:]
    return share * targets + (1 - share) * keras.ops.flip(targets, axis=0), logits


class MixedCrossEntropy(keras.losses.Loss):  # type: ignore[misc, name-defined]
    """Cross-entropy of mixtures, with label smoothing, and with a teacher's answers where there is one.

    With a teacher it is (1 - share) H(labels, p) + share T^2 H(teacher softened by T, p softened by T), H
    being the cross-entropy and p the network's answer (Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section
    2; T^2 keeps the gradients of the second term as large as they are at T = 1).

    Args:
        label_smoothing: Share of the label's target that is spread over all classes.
        teacher_share: Weight of the teacher's term, 0-1; looked at where targets hold its answers.
        temperature: T, which the teacher's answers have been softened by.
    """

    def __init__(self, label_smoothing: float, teacher_share: float = 0.0, temperature: float = 1.0) -> None:
        super().__init__(name="cross_entropy")
        self.label_smoothing = label_smoothing
        self.teacher_share = teacher_share
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(N,) losses; see `mixed_targets` for the arguments."""
        targets, logits = mixed_targets(y_true, y_pred)
        number = logits.shape[-1]
        of_labels = keras.losses.categorical_crossentropy(
            targets[:, :number], logits, from_logits=True, label_smoothing=self.label_smoothing
        )
        if targets.shape[-1] == number:
            return of_labels
        of_teacher = keras.losses.categorical_crossentropy(
            targets[:, number:], logits / self.temperature, from_logits=True
        )
        share = self.teacher_share
        return (1 - share) * of_labels + share * self.temperature**2 * of_teacher


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """(N,) 1 where the largest logit is that of the larger part of the mixture."""
    targets, logits = mixed_targets(y_true, y_pred)
    return keras.metrics.categorical_accuracy(targets[:, : logits.shape[-1]], logits)
