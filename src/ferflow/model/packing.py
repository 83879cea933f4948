"""Networks in a quarter of their size: kernels of 8 bits with a scale for each channel they put out.

Such a file is an ONNX model as `write_onnx` makes it: it computes in float32, since ONNX Runtime turns the
kernels into float32 when it loads it, so that it answers alike on every processor. What training needs
besides them is in `weights.npz`; `ferflow.model.packed` reads both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.data.store import write_arrays
from ferflow.errors import ModelError
from ferflow.model.export import write_onnx
from ferflow.model.packed import KERNEL, OTHER, SCALE, WEIGHTS

_MOST = 127
# Keras keeps a kernel as (height, width, in, out), ONNX as (out, in, height, width).
_TO_ONNX = (3, 2, 0, 1)

Kernels = dict[int, tuple[NDArray[np.int8], NDArray[np.float32]]]


def round_kernels(network: Any) -> Kernels:
    """Round the kernels of a network's convolutions to 8 bits, in the network itself.

    Args:
        network: A network of `build_network`; it is changed.

    Returns:
        Place among `get_weights()` to the levels, (h, w, in, out) int8, and the scales, (out,) float32; a
        kernel is their product.
    """
    weights = network.get_weights()
    kernels = {}
    for index, weight in enumerate(weights):
        if weight.ndim != 4:
            continue
        scales = (np.abs(weight).max(axis=(0, 1, 2)) / _MOST).astype(np.float32)
        scales = np.where(scales > 0, scales, np.float32(1))
        levels = np.rint(weight / scales).astype(np.int8)
        kernels[index] = levels, scales
        weights[index] = levels.astype(np.float32) * scales
    network.set_weights(weights)
    return kernels


def write_packed(network: Any, folder: Path, *, test_time_augmentation: str) -> None:
    """Write `model.onnx` and `weights.npz`; the same weights give the same bytes.

    Args:
        network: A network of `build_network`; its kernels are rounded.
        folder: Where the two go.
        test_time_augmentation: The views that probabilities are averaged over.

    Raises:
        ModelError: The network cannot be converted.
    """
    kernels = round_kernels(network)
    with tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        whole = Path(scratch) / "model.onnx"
        write_onnx(network, whole, test_time_augmentation=test_time_augmentation, keep_kernels=True)
        model = heavy.onnx.load(whole)
    _pack(model.graph, kernels)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    others = {
        OTHER.format(index): weight
        for index, weight in enumerate(network.get_weights())
        if index not in kernels
    }
    write_arrays(folder / WEIGHTS, others)


def _pack(graph: Any, kernels: Kernels) -> None:
    """Put levels and scales in the place of the kernels.

    Raises:
        ModelError: A kernel is not in the graph.
    """
    waiting = {
        index: ((levels.astype(np.float32) * scales).transpose(_TO_ONNX), levels, scales)
        for index, (levels, scales) in kernels.items()
    }
    made, entries = [], []
    for entry in graph.initializer:
        values = heavy.onnx.numpy_helper.to_array(entry)
        index = next((key for key, kernel in waiting.items() if np.array_equal(kernel[0], values)), None)
        if index is None:
            entries.append(type(entry).FromString(entry.SerializeToString()))
            continue
        _, levels, scales = waiting.pop(index)
        kernel, scale, cast = KERNEL.format(index), SCALE.format(index), f"float_kernel_{index}"
        entries.append(
            heavy.onnx.numpy_helper.from_array(np.ascontiguousarray(levels.transpose(_TO_ONNX)), kernel)
        )
        entries.append(heavy.onnx.numpy_helper.from_array(scales.reshape(-1, 1, 1, 1), scale))
        made.append(
            heavy.onnx.helper.make_node("Cast", [kernel], [cast], name=cast, to=heavy.onnx.TensorProto.FLOAT)
        )
        made.append(
            heavy.onnx.helper.make_node("Mul", [cast, scale], [entry.name], name=f"scaled_kernel_{index}")
        )
    if waiting:
        raise ModelError(
            f"{len(waiting)} of {len(kernels)} kernels are not in the converted network; see that tf2onnx "
            "and TensorFlow are of the versions in requirements.txt"
        )
    nodes = [*made, *(type(node).FromString(node.SerializeToString()) for node in graph.node)]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(entries)
    graph.node.extend(nodes)
