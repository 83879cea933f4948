"""What training remembers from epoch to epoch, and the rules that act on it.

The rules are those of Keras' ModelCheckpoint and EarlyStopping (on validation accuracy) and
ReduceLROnPlateau (on validation loss, with `min_delta=0`). Here they are part of the state, so
that a resumed run follows them too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ferflow.params import TrainParams

HISTORY_COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy")


@dataclass
class TrainingState:
    """What is remembered from epoch to epoch besides weights.

    Attributes:
        epoch: Number of finished epochs.
        best_epoch: The epoch, counted from 1, with the best validation accuracy (the first of equals).
        best_accuracy: That accuracy.
        lowest_loss: The lowest validation loss so far.
        epochs_without_lower_loss: Epochs since then, or since the rate was last reduced.
        history: One row an epoch with `HISTORY_COLUMNS`.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    lowest_loss: float = math.inf
    epochs_without_lower_loss: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def advance(self, row: dict[str, float]) -> bool:
        """Take in the row of a finished epoch; returns whether its validation accuracy is the best."""
        self.epoch += 1
        self.history.append(row)
        if row["val_loss"] < self.lowest_loss:
            self.lowest_loss, self.epochs_without_lower_loss = row["val_loss"], 0
        else:
            self.epochs_without_lower_loss += 1
        is_best = row["val_accuracy"] > self.best_accuracy
        if is_best:
            self.best_accuracy, self.best_epoch = row["val_accuracy"], self.epoch
        return is_best

    def rate_factor(self, params: TrainParams) -> float:
        """What the learning rate is multiplied by after this epoch; where it is, the count starts anew."""
        if params.schedule != "plateau" or self.epochs_without_lower_loss < params.plateau_patience:
            return 1.0
        self.epochs_without_lower_loss = 0
        return params.plateau_factor

    def is_ended(self, params: TrainParams) -> bool:
        """Whether all epochs are done, or too many passed without a better validation accuracy.

        Waiting starts anew with each stage of `unfreeze`, and there is no early end before the last.
        """
        if self.epoch >= params.epochs:
            return True
        last_stage = max((stage.epoch - 1 for stage in params.unfreeze), default=0)
        waited = self.epoch - max(self.best_epoch, last_stage)
        return 0 < params.early_stopping_patience <= waited
