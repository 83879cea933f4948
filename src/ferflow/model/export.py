"""The network as ONNX, which answers without Keras: in float32, and quantised to int8.

tf2onnx converts TensorFlow's graph; from other backends the number of images could not stay open.
"""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.errors import ModelError
from ferflow.explain.gradcam import explained
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model.backend import load_keras
from ferflow.model.conversion import functions_as_parts, replace_erfc
from ferflow.model.views import MeanOverViews, Views
from ferflow.params.evaluate import NUM_VIEWS

keras = load_keras()

OPSET = 17
IMAGES, PROBABILITIES, MAPS = "images", "probabilities", "maps"
# An input that may be left out: the first row of the batch that passes the network, and the one after the
# last. Ten crops are a batch that begins with the images as they are, which the maps are of; whoever asks
# for one of the two outputs leaves out the rows of the other.
ROWS = "rows"
_ALL_ROWS = (0, 2**31 - 1)
# Images of one calibration step: the copies of 16 faces are held with all values between the layers.
_CALIBRATION_BATCH = 16
_ERRORS_ALONE = 3  # of ONNX Runtime's severities; it warns of inputs that may be left out


def check_backend() -> None:
    """See that networks can be exported here.

    Raises:
        ModelError: The backend is not TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ModelError(
            f"the Keras backend is {backend}, but only TensorFlow's networks can be exported; run the same "
            "command with KERAS_BACKEND=tensorflow: a saved model is the same on every backend"
        )


def write_onnx(network: Any, path: Path, *, test_time_augmentation: str, keep_kernels: bool = False) -> None:
    """Write a network as ONNX; the same weights give the same bytes.

    The model takes `images` (N, 48, 48) uint8, 0-255, grey, and gives `probabilities` (N, 7) float32,
    averaged over the views, and `maps` (N, 7, h, w) float32: Grad-CAM of the plain view, one map an
    emotion, before the ReLU.

    Args:
        network: A network of `load_network` or `build_network`.
        path: Place of the file.
        test_time_augmentation: The views that probabilities are averaged over: `none`, `flip`, `ten_crop`.
        keep_kernels: Leave kernels as the network has them, and fold no BatchNorm into them.

    Raises:
        ModelError: The backend is not TensorFlow, tf2onnx is not installed, or the network's head is unknown.
    """
    check_backend()
    plain = explained(network)
    model = _convert(_from_bytes(plain, test_time_augmentation), keep_kernels=keep_kernels)
    _make_canonical(model)
    _set_all_rows(model.graph)
    _set_shapes(model.graph, plain.output_shape[1])
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_int8(source: Path, path: Path, images: NDArray[np.uint8]) -> None:
    """Quantise a file of `write_onnx`: the convolutions, which are nearly all of the work, compute in int8.

    Weights are scaled for each channel, values between layers by the range that they have on the images.
    The scaling of pixels, the head and the maps stay in float32.

    Args:
        source: The float32 file.
        path: Place of the int8 file.
        images: (N, 48, 48) uint8, 0-255, grey; such as training or validation images, not test images.

    Raises:
        ModelError: What quantises is not installed.
    """
    _require("onnx")
    # Late: they load ONNX, of the extra `export`, and the line above names the extra where they are missing.
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._starts = iter(range(0, len(images), _CALIBRATION_BATCH))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            start = next(self._starts, None)
            return None if start is None else {IMAGES: images[start : start + _CALIBRATION_BATCH]}

    with tempfile.TemporaryDirectory(prefix="ferflow-") as folder, _silent_logs():
        heavy.onnxruntime.set_default_logger_severity(_ERRORS_ALONE)
        prepared = Path(folder) / "prepared.onnx"
        # Shapes are known already; what counts is that BatchNorm is folded into the convolutions.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(path),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Turn off the root logger, by which ONNX Runtime's quantisation gives advice, inside the block."""
    former = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(former)


def _require(module: str) -> Any:
    """A module of the extra `export`.

    Raises:
        ModelError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(
            f"what writes ONNX is not installed ({error}); install ferflow[export], or run 'make install'"
        ) from error


def _from_bytes(plain: Any, kind: str) -> Any:
    """A TensorFlow function from (N, 48, 48) uint8 to what the file gives.

    All views pass the network as one batch. The maps need the plain view, which ten crops do not have.

    Args:
        plain: A network of `explained`.
        kind: The views: `none`, `flip`, `ten_crop`.
    """
    tf = heavy.tensorflow
    signature = [tf.TensorSpec((None, IMAGE_SIZE, IMAGE_SIZE), tf.uint8, name=IMAGES)]
    if kind == "ten_crop":
        signature.append(tf.TensorSpec((2,), tf.int32, name=ROWS))
    views, mean = Views(kind), MeanOverViews(NUM_VIEWS[kind])

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def answers(images: Any, rows: Any = None) -> dict[str, Any]:
        pixels = tf.cast(images, tf.float32)[..., tf.newaxis]
        number, stack = tf.shape(images)[0], views(pixels)
        if kind == "ten_crop":
            stack = tf.concat([pixels, stack], axis=0)[rows[0] : rows[1]]
        probabilities, maps = plain(stack, training=False)
        if kind == "ten_crop":
            probabilities = probabilities[number - rows[0] :]
        return {PROBABILITIES: mean(probabilities), MAPS: maps[:number]}

    return answers


def _convert(answers: Any, *, keep_kernels: bool) -> Any:
    """A TensorFlow function as ONNX, without the optimisations of tf2onnx.

    Those walk through sets whose order is that of addresses in memory and of hashes of names, so that what
    comes out differs from process to process. ONNX Runtime optimises when it loads the file.

    Args:
        answers: A function of `_from_bytes`.
        keep_kernels: Do without TensorFlow's own optimisations, too.
    """
    converter, loader, graphs = (_require(f"tf2onnx.{name}") for name in ("convert", "tf_loader", "tfonnx"))
    tf = heavy.tensorflow
    # Late: TensorFlow takes seconds, and `heavy` knows no private module of it.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as freeze

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with functions_as_parts():
        concrete = answers.get_concrete_function(*answers.input_signature)
    # Weights, and constants such as the means of a Normalization layer: they become part of the graph.
    captured = {inner.name for _, inner in concrete.graph.captures}
    inputs = [entry.name for entry in concrete.inputs if entry.name not in captured]
    outputs = [entry.name for entry in concrete.outputs]
    names = converter.tensor_names_from_structed(concrete, inputs, outputs)
    with tf.device("/cpu:0"):
        frozen = (
            freeze(concrete, lower_control_flow=False).graph.as_graph_def(add_shapes=True)
            if keep_kernels
            else loader.from_function(concrete, inputs, outputs)
        )
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(frozen, name="")
            converted = graphs.process_tf_graph(
                graph, opset=OPSET, input_names=inputs, output_names=outputs, tensors_to_rename=names
            )
            return converted.make_model("ferflow", graph_name="ferflow")


def _make_canonical(model: Any) -> None:
    """Order, names and attributes that follow from what is computed, and from nothing else."""
    graph = model.graph
    replace_erfc(graph)
    ordered = [_copied(node) for node in _in_order_of_use(graph)]
    for node in ordered:
        attributes = [_copied(entry) for entry in sorted(node.attribute, key=lambda entry: entry.name)]
        del node.attribute[:]
        node.attribute.extend(attributes)
    del graph.node[:]
    graph.node.extend(ordered)
    _name_alike(graph)


def _in_order_of_use(graph: Any) -> list[Any]:
    """The nodes as the outputs, by name, reach them: what gives a node's first input, its second, itself."""
    makers = {output: node for node in graph.node for output in node.output}
    ordered, seen = [], set()
    waiting = [(name, False) for name in sorted((entry.name for entry in graph.output), reverse=True)]
    while waiting:
        name, is_ready = waiting.pop()
        node = makers.get(name)
        if is_ready:
            ordered.append(node)
        elif node is not None and node.output[0] not in seen:
            seen.add(node.output[0])
            waiting.append((name, True))
            waiting.extend((source, False) for source in reversed(node.input))
    return ordered


def _copied(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def _name_alike(graph: Any) -> None:
    """Name all by operation and place: Keras' names tell what the process had built before."""
    names = {"": "", **{entry.name: entry.name for entry in (*graph.input, *graph.output)}}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for place, name in enumerate(node.input):
            node.input[place] = names.setdefault(name, f"constant_{number}_{place}")
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, f"{node.name}_{place}")
    constants = {names[entry.name]: entry for entry in graph.initializer if entry.name in names}
    for name, entry in constants.items():
        entry.name = name
    used = [constants.pop(name) for node in graph.node for name in node.input if name in constants]
    ordered = [_copied(entry) for entry in used]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)
    graph.doc_string = ""


def _set_all_rows(graph: Any) -> None:
    """Give the input `rows`, where there is one, its default, so that it may be left out."""
    numpy_helper = _require("onnx.numpy_helper")
    if any(entry.name == ROWS for entry in graph.input):
        graph.initializer.append(numpy_helper.from_array(np.array(_ALL_ROWS, np.int32), ROWS))


def _set_shapes(graph: Any, maps: tuple[int | None, ...]) -> None:
    """Say of inputs and outputs what their shapes are; the number of images N stays open."""
    shapes = {
        IMAGES: (IMAGE_SIZE, IMAGE_SIZE),
        PROBABILITIES: (len(EMOTIONS),),
        MAPS: maps[1:],
    }
    for entry in (*graph.input, *graph.output):
        if entry.name == ROWS:
            continue
        first, *others = entry.type.tensor_type.shape.dim
        first.dim_param = "N"
        for dimension, number in zip(others, shapes[entry.name], strict=True):
            dimension.dim_value = number
