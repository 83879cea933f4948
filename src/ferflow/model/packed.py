"""The weights of a packed network, such as the one that comes with ferflow, for training to start from.

`ferflow.model.packing` writes such a network: the kernels are read from `model.onnx`, all other numbers from
`weights.npz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.data.store import read_arrays
from ferflow.errors import ModelError
from ferflow.limits import parse_json

WEIGHTS = "weights.npz"
# Names of levels, scales and other weights by their place among `get_weights()`.
KERNEL, SCALE, OTHER = "kernel_{}", "scale_{}", "weight_{}"
# Keras keeps a kernel as (height, width, in, out), ONNX as (out, in, height, width).
_TO_KERAS = (2, 3, 1, 0)


def read_packed(folder: Path, number: int) -> list[NDArray[np.float32]]:
    """The weights that a packed network has, in the order of `get_weights()`.

    Args:
        folder: Where `write_packed` wrote.
        number: How many there are.

    Raises:
        ModelError: What reads ONNX is not installed, or the files hold other weights.
        DataError: `weights.npz` is missing or damaged.
    """
    try:
        onnx = heavy.onnx
    except ImportError as error:
        raise ModelError(
            f"what reads {folder / 'model.onnx'} is not installed ({error}); install ferflow[export], or run "
            "'make install'"
        ) from error
    graph = onnx.load(folder / "model.onnx").graph
    held = {entry.name: entry for entry in graph.initializer}
    is_kernel = [KERNEL.format(index) in held for index in range(number)]
    names = [OTHER.format(index) for index in range(number) if not is_kernel[index]]
    others = read_arrays(folder / WEIGHTS, names)

    def weight(index: int) -> NDArray[np.float32]:
        if not is_kernel[index]:
            return np.asarray(others[OTHER.format(index)], np.float32)
        levels, scales = (onnx.numpy_helper.to_array(held[name.format(index)]) for name in (KERNEL, SCALE))
        return np.asarray((levels.astype(np.float32) * scales).transpose(_TO_KERAS), np.float32)

    return [weight(index) for index in range(number)]


def trained_params(folder: Path) -> dict[str, Any]:
    """The section `model` of the parameters that a packed network was trained with.

    Raises:
        ModelError: Its `train.json` is missing or damaged.
    """
    path = folder / "train.json"
    try:
        return dict(parse_json(path.read_text(encoding="utf-8"))["params"]["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: missing or damaged ({error}); install ferflow again") from error
