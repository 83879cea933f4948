"""Loss and accuracy of mixtures of two images and of their labels."""

from __future__ import annotations

from typing import Any

from ferflow.model.backend import load_keras

keras = load_keras()


def mixed_targets(targets: Any, outputs: Any) -> tuple[Any, Any]:
    """Targets of mixtures, and the logits of the network.

    Args:
        targets: (N, 7) of the images themselves, or (N, 14): those, then a teacher's softened answers.
        outputs: (N, 8): logits, then the shares that `Mixtures` drew.

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
