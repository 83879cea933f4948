"""The teacher of a distillation: what a better network, or a mean of several, says of each training image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import read_arrays, write_arrays
from ferflow.errors import DataError, ModelError
from ferflow.files import sha256_of
from ferflow.labels import EMOTIONS
from ferflow.model.network import load_network
from ferflow.model.prediction import check_probabilities, predict_probabilities
from ferflow.params import TrainParams
from ferflow.progress import say

# Half of the images that the student sees are mirrored.
_VIEWS = "flip"


def load_teacher(
    params: TrainParams, images: NDArray[np.uint8], *, kept_in: Path
) -> NDArray[np.float32] | None:
    """The teacher's probabilities of the training images.

    Those of a network are computed once and kept: a run that goes on reads them again.

    Args:
        params: `teacher` and `batch_size` are used.
        images: (N, 48, 48) uint8, the training images in their order.
        kept_in: Folder for what was computed.

    Returns:
        (N, 7) float32; None without a teacher.

    Raises:
        ModelError: The network is missing or damaged.
        DataError: The stored probabilities are missing, damaged or of other images.
        OutputError: They cannot be kept.
    """
    if params.teacher is None:
        return None
    path = Path(params.teacher)
    if path.suffix == ".npz":
        return _checked(path, len(images))
    if not path.is_file():
        raise ModelError(
            f"train.teacher: {path} not found; give a .keras file of 'ferflow train' or 'ferflow ensemble', "
            "a .npz file with the array 'probabilities', or null"
        )
    asked = hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
    kept = kept_in / f"{sha256_of(path)[:16]}-{asked[:16]}.npz"
    if kept.is_file():
        return _checked(kept, len(images))
    say(f"asking the teacher {path} about {len(images):,} training images")
    probabilities = predict_probabilities(
        load_network(path),
        images,
        batch_size=2 * params.batch_size,
        test_time_augmentation=_VIEWS,
        label="asking the teacher",
        batch_size_key="train.batch_size",
    )
    write_arrays(kept, {"probabilities": probabilities.astype(np.float32)})
    return probabilities.astype(np.float32)


def _checked(path: Path, number: int) -> NDArray[np.float32]:
    found = read_arrays(path, ("probabilities",))["probabilities"]
    shape = (number, len(EMOTIONS))
    if found.shape != shape or found.dtype.kind != "f":
        raise DataError(
            f"train.teacher: {path} holds {found.dtype} {found.shape}, expected numbers {shape}, a row for "
            "each training image in the order of data/split/train.npz; use a teacher's answers for this split"
        )
    check_probabilities(np.asarray(found, np.float64))
    return np.asarray(found, np.float32)


def softened(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities at a temperature: softmax(log p / T), which is that of the logits divided by T.

    Args:
        probabilities: (N, 7).
        temperature: T; above 1 flattens them.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-7)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
