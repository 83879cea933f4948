"""What tf2onnx cannot convert of some backbones, said in other operations."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ferflow import heavy


@contextmanager
def functions_as_parts() -> Iterator[None]:
    """Trace functions inside as parts: Keras has grouped convolutions in one that is never inlined."""
    config = heavy.tensorflow.config
    former = config.functions_run_eagerly()
    config.run_functions_eagerly(True)
    try:
        yield
    finally:
        config.run_functions_eagerly(former)


def replace_erfc(graph: Any) -> None:
    """Erfc, which TensorFlow's GELU uses and ONNX does not have, as 1 - Erf; in place."""
    helper, arrays = (importlib.import_module(f"onnx.{name}") for name in ("helper", "numpy_helper"))
    found = [node for node in graph.node if node.op_type == "Erfc"]
    for number, node in enumerate(found):
        one, erf = f"erfc_one_{number}", f"erfc_erf_{number}"
        graph.initializer.append(arrays.from_array(np.array(1, np.float32), one))
        graph.node.append(helper.make_node("Erf", list(node.input), [erf]))
        graph.node.append(helper.make_node("Sub", [one, erf], list(node.output)))
        graph.node.remove(node)
