"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) without automatic differentiation.

Between the backbone and the logits of `build_network` there are only linear layers and at most one ReLU,
so that the gradient of a logit has a closed form. Written out as layers it runs on every backend and is
exported with the network.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.errors import ModelError
from ferflow.explain.heatmap import Faces, Run
from ferflow.labels import EMOTIONS
from ferflow.model.backend import load_keras, num_devices, use_xla
from ferflow.model.network import members_of

keras = load_keras()

# What may come after the backbone, in this order; `build_network` names them so.
_HEAD = ("features_bn", "pool", "hidden", "hidden_bn", "dropout_head", "logits", "probabilities")
# Images a step: the copies of four faces.
_BATCH = 72
_OPTIONAL = {"hidden", "hidden_bn", "dropout_head"}


class GradCam(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Feature maps to one map an emotion, before the ReLU.

    Input: features (N, h, w, channels), and the hidden layer's values (N, units) where the head has
    one; output (N, 7, h, w) float32. Holds numbers, not variables: it is for running and exporting.

    Args:
        inner: (channels, units) float32, from features to the hidden layer, averaged over positions;
            (channels, 7), up to the logits, without hidden layer.
        outer: (units, 7) float32, from the hidden layer to the logits; None without hidden layer.
    """

    def __init__(self, inner: NDArray[np.float32], outer: NDArray[np.float32] | None, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.inner = inner
        self.outer = outer

    def call(self, features: Any, hidden: Any = None) -> Any:
        """The maps of the seven emotions, (N, 7, h, w) float32."""
        ops = keras.ops
        maps = ops.matmul(ops.cast(features, "float32"), self.inner)
        if self.outer is not None:
            # A unit that the ReLU has closed passes no gradient on.
            is_open = ops.cast(hidden > 0, "float32")
            maps = ops.matmul(maps * is_open[:, None, None, :], self.outer)
        return ops.transpose(maps, (0, 3, 1, 2))


def explained(network: Any) -> Any:
    """The network with Grad-CAM built in, from its weights as they are now.

    The map of an emotion is the sum of the backbone's feature maps, each weighted with the mean over
    all positions of the gradient of the emotion's logit.

    Args:
        network: A network of `load_network` or `build_network`. The maps of an ensemble are the mean of its
            members', at the size of the largest.

    Returns:
        A `keras.Model` from (N, 48, 48, 1), 0-255, to probabilities (N, 7) and maps (N, 7, h, w)
        float32 in the order of `EMOTIONS`, before the ReLU.

    Raises:
        ModelError: The network has another head.
    """
    members = members_of(network)
    if members:
        return _explained_mean(network, [explained(member) for member in members])
    head = _head_of(network)
    features, hidden = head["features_bn"].input, head.get("hidden")
    scale = _scale(head["features_bn"]) / math.prod(features.shape[1:3])
    first = hidden or head["logits"]
    inner = scale[:, None] * _summed_over_positions(first, num_channels=len(scale))
    if hidden is None:
        maps = GradCam(inner, None, name="maps")(features)
    else:
        outer = _numbers(head["logits"].kernel)
        if "hidden_bn" in head:
            outer = _scale(head["hidden_bn"])[:, None] * outer
        maps = GradCam(inner, outer, name="maps")(features, hidden.output)
    return keras.Model(network.input, [network.output, maps], name=f"{network.name}_explained")


def _explained_mean(network: Any, members: list[Any]) -> Any:
    images = keras.Input(network.input_shape[1:], name="images")
    answers = [member(images) for member in members]
    side = max(maps.shape[2] for _, maps in answers)
    scaled = [_Enlarged(side)(maps) for _, maps in answers]
    means = [
        keras.layers.Average(dtype="float32", name=name)(parts)
        for name, parts in (("probabilities", [found for found, _ in answers]), ("maps", scaled))
    ]
    return keras.Model(images, means, name=f"{network.name}_explained")


class _Enlarged(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Maps (N, 7, h, w) to (N, 7, side, side), bilinear."""

    def __init__(self, side: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.side = side

    def call(self, maps: Any) -> Any:
        """The enlarged maps, (N, 7, side, side)."""
        if maps.shape[2] == self.side:
            return maps
        ops = keras.ops
        last = ops.transpose(maps, (0, 2, 3, 1))
        larger = ops.image.resize(last, (self.side, self.side), interpolation="bilinear")
        return ops.transpose(larger, (0, 3, 1, 2))


def keras_run(network: Any, *, batch_size: int = _BATCH) -> Run:
    """The network as `ferflow.explain.heatmap` takes it: plain view, any number of faces, one shape compiled.

    Args:
        network: A network of `load_network` or `build_network`.
        batch_size: Images a step.

    Raises:
        ModelError: The network has another head.
    """
    model = explained(network)
    model.jit_compile = use_xla()
    batch_size += -batch_size % num_devices()

    def outputs_of(faces: Faces) -> tuple[NDArray[Any], NDArray[Any]]:
        outputs = []
        for start in range(0, len(faces), batch_size):
            part = faces[start : start + batch_size]
            inputs = np.zeros((batch_size, *part.shape[1:], 1), np.uint8)
            inputs[: len(part), ..., 0] = part
            outputs.append([np.asarray(output)[: len(part)] for output in model.predict_on_batch(inputs)])
        probabilities, maps = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        return probabilities, maps

    return Run(answers=lambda faces: outputs_of(faces)[0], maps=lambda faces: outputs_of(faces)[1])


def _head_of(network: Any) -> dict[str, Any]:
    """Name to layer of all that comes after the backbone.

    Raises:
        ModelError: It is not what `build_network` puts there.
    """
    layers = network.layers
    start = next((index for index, layer in enumerate(layers) if layer.name == _HEAD[0]), len(layers))
    head = {layer.name: layer for layer in layers[start:]}
    expected = [name for name in _HEAD if name in head or name not in _OPTIONAL]
    if list(head) != expected or not _is_understood(head):
        found = ", ".join(layer.name for layer in layers[1:][-len(_HEAD) :])
        raise ModelError(
            f"network {network.name!r}: its last layers are {found}; expected the head that 'ferflow train' "
            f"builds ({', '.join(_HEAD)}; {', '.join(sorted(_OPTIONAL))} can be absent): use such a model"
        )
    return head


def _is_understood(head: dict[str, Any]) -> bool:
    """Whether the layers are of the types, and the activation is the one, that the formula is for."""
    types = keras.layers
    pools = types.Flatten | types.GlobalAveragePooling2D
    hidden = head.get("hidden")
    return (
        isinstance(head["features_bn"], types.BatchNormalization)
        and isinstance(head["pool"], pools)
        and (hidden is None or hidden.activation is keras.activations.relu)
        and head["logits"].activation is keras.activations.linear
        and head["logits"].units == len(EMOTIONS)
    )


def _summed_over_positions(dense: Any, *, num_channels: int) -> NDArray[np.float32]:
    """The kernel behind the pool as (channels, units); behind Flatten it has a row a position and channel."""
    kernel = _numbers(dense.kernel)
    total: NDArray[np.float32] = kernel.reshape(-1, num_channels, kernel.shape[1]).sum(axis=0)
    return total


def _scale(batch_norm: Any) -> NDArray[np.float32]:
    """What BatchNorm multiplies each channel with in inference, (channels,) float32."""
    variance, gamma = _numbers(batch_norm.moving_variance), batch_norm.gamma
    factor: NDArray[np.float32] = 1 / np.sqrt(variance + np.float32(batch_norm.epsilon))
    return factor if gamma is None else factor * _numbers(gamma)


def _numbers(variable: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
