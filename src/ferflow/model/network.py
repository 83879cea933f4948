"""The networks: raw grey pixels in, probabilities of the seven emotions out.

Scaling and resizing are layers of the network, so that training and serving cannot differ;
augmentation is not part of it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.model import backbones
from ferflow.model.backend import load_keras
from ferflow.model.packed import read_packed, trained_params
from ferflow.params import BUILT_IN_WEIGHTS, ModelParams
from ferflow.paths import BUILT_IN

keras = load_keras()

# Name of the last layer of an ensemble, the mean over its members.
MEAN = "mean_of_members"

# What must be as it was when that network was trained; dropout has no weights.
_SHAPING = ("backbone", "stem", "widths", "depths", "pooling", "dense_units")


# What `Pixels` gives where nothing else is said, as for ResNet50V2.
_PIXEL_RANGE = (-1.0, 1.0)


class ParameterCounts(NamedTuple):
    """Numbers of parameters of a network."""

    total: int
    trainable: int
    frozen: int


@keras.saving.register_keras_serializable(package="ferflow")
class Pixels(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Turn grey pixels into what a backbone takes.

    Input (N, 48, 48, 1), 0-255, any number type; output (N, size, size, channels) in the range
    that the backbone was made for. Resizing is bilinear. Unlike `keras.layers.Resizing` it
    does the same in training and inference.
    """

    def __init__(
        self, size: int, channels: int, pixel_range: Sequence[float] = _PIXEL_RANGE, **options: Any
    ) -> None:
        super().__init__(**options)
        self.size = size
        self.channels = channels
        self.pixel_range = tuple(pixel_range)

    def call(self, images: Any) -> Any:
        """Scale, resize and repeat the grey channel."""
        low, high = self.pixel_range
        pixels = keras.ops.cast(images, self.compute_dtype) / (255 / (high - low)) - (-low)
        if self.size != images.shape[1]:
            pixels = keras.ops.image.resize(pixels, (self.size, self.size), interpolation="bilinear")
        return keras.ops.repeat(pixels, self.channels, axis=-1) if self.channels > 1 else pixels

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(N, size, size, channels)."""
        return (input_shape[0], self.size, self.size, self.channels)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        found = {**super().get_config(), "size": self.size, "channels": self.channels}
        # Files of networks that were saved before there was another range stay as they were.
        return found if self.pixel_range == _PIXEL_RANGE else {**found, "pixel_range": list(self.pixel_range)}


def build_network(params: ModelParams) -> Any:
    """Build the network that is trained, saved and served.

    The head is the paper's: Dropout, BatchNorm, Flatten, Dense, BatchNorm, Dropout, Dense 7; the
    hidden layer can be left out and Flatten replaced by global average pooling.

    Returns:
        A `keras.Model` from (N, 48, 48, 1), 0-255, to (N, 7) float32 probabilities in the order
        of `EMOTIONS`. Its layer `logits` gives the values before the softmax.

    Raises:
        ModelError: The weights cannot be had or do not fit, or `unfreeze_layers` exceeds the backbone.
    """
    layers = keras.layers
    backbone = _build_backbone(params)
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1), name="images")
    pixel_range = backbones.REGISTRY.get(params.backbone).pixel_range
    pixels = Pixels(params.image_size, backbone.input_shape[-1], pixel_range, name="pixels")
    values = pixels(images)
    values = backbone(values)
    if params.dropout_features:
        values = layers.Dropout(params.dropout_features, name="dropout_features")(values)
    values = layers.BatchNormalization(name="features_bn")(values)
    pool = layers.Flatten if params.pooling == "flatten" else layers.GlobalAveragePooling2D
    values = pool(name="pool")(values)
    if params.dense_units:
        values = layers.Dense(params.dense_units, activation="relu", name="hidden")(values)
        values = layers.BatchNormalization(name="hidden_bn")(values)
    if params.dropout_head:
        values = layers.Dropout(params.dropout_head, name="dropout_head")(values)
    logits = layers.Dense(len(EMOTIONS), dtype="float32", name="logits")(values)
    probabilities = layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    network = keras.Model(images, probabilities, name=f"ferflow_{params.backbone}")
    if params.weights == BUILT_IN_WEIGHTS:
        _load_built_in(network, params)
    set_trainable_layers(network, params.unfreeze_layers)
    return network


def set_trainable_layers(
    network: Any, unfreeze_layers: int | str, *, key: str = "model.unfreeze_layers"
) -> None:
    """Make the last layers of the backbone trainable and freeze those before them.

    Args:
        network: A network of `build_network`.
        unfreeze_layers: Number of the layers, or `all`.
        key: The parameter that gives the number.

    Raises:
        ModelError: The backbone has fewer layers.
    """
    backbone = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    num_layers = len(backbone.layers)
    number = num_layers if unfreeze_layers == "all" else int(unfreeze_layers)
    if number > num_layers:
        raise ModelError(
            f"{key}: {number} found, but the backbone has {num_layers} layers; "
            f"give at most {num_layers}, or 'all'"
        )
    for index, layer in enumerate(backbone.layers):
        layer.trainable = index >= num_layers - number


def count_parameters(network: Any) -> ParameterCounts:
    """Count parameters as `keras.Model.summary` does (BatchNorm statistics are frozen ones)."""
    total = network.count_params()
    trainable = sum(int(keras.ops.size(weight)) for weight in network.trainable_weights)
    return ParameterCounts(total, trainable, total - trainable)


def parameter_counts(params: ModelParams) -> ParameterCounts:
    """The counts of a network as it would be built; needs no weights."""
    return count_parameters(build_network(params.model_copy(update={"weights": None})))


def members_of(network: Any) -> list[Any]:
    """The networks whose mean an ensemble is; none of another network."""
    if network.layers[-1].name != MEAN:
        return []
    return [layer for layer in network.layers if isinstance(layer, keras.Model)]


def image_size_of(network: Any) -> int:
    """The side in pixels that a network resizes its images to; of an ensemble the largest one."""
    members = members_of(network)
    if members:
        return max(image_size_of(member) for member in members)
    return next((layer.size for layer in network.layers if isinstance(layer, Pixels)), IMAGE_SIZE)


def load_network(path: Path) -> Any:
    """Load a network that training saved, ready to predict.

    Raises:
        ModelError: The file is missing, damaged or not such a network.
    """
    if not path.is_file():
        raise ModelError(f"{path}: not found; train a model first (dvc repro train)")
    try:
        network = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path}: not a loadable Keras model ({_first_line(error)}); train it again"
        ) from error
    shapes = (network.input_shape, network.output_shape)
    expected = ((None, IMAGE_SIZE, IMAGE_SIZE, 1), (None, len(EMOTIONS)))
    if shapes != expected:
        raise ModelError(
            f"{path}: takes and gives arrays of shape {shapes}, expected {expected}; "
            "use a model that 'ferflow train' wrote"
        )
    return network


def _build_backbone(params: ModelParams) -> Any:
    entry = backbones.REGISTRY.get(params.backbone)
    weights = "imagenet" if params.weights == "imagenet" else None
    try:
        backbone = entry.build(params.backbone_options, size=params.image_size, weights=weights)
    except (OSError, ValueError) as error:
        if weights is None:
            raise
        raise ModelError(
            f"model.weights: the ImageNet weights cannot be had ({_first_line(error)}); connect to the "
            "network once (Keras keeps them in ~/.keras/models), or set model.weights to null or a path"
        ) from error
    if params.weights not in (None, "imagenet", BUILT_IN_WEIGHTS):
        _load_weights(backbone, Path(params.weights))
    return backbone


def _load_built_in(network: Any, params: ModelParams) -> None:
    """Take over all weights of the network that comes with ferflow, those of the head too.

    Raises:
        ModelError: The parameters describe another network, or what reads ONNX is not installed.
    """
    trained = trained_params(BUILT_IN)
    others = [key for key in _SHAPING if getattr(params, key) != trained[key]]
    if others:
        found = ", ".join(f"model.{key} is {getattr(params, key)}, expected {trained[key]}" for key in others)
        raise ModelError(
            f"model.weights: compact is another network than these parameters describe: {found}; start from "
            "'ferflow profile compact', or set model.weights to null"
        )
    network.set_weights(read_packed(BUILT_IN, len(network.get_weights())))


def _load_weights(backbone: Any, path: Path) -> None:
    """Take over the backbone's weights from a network saved by training, or a weights file."""
    if not path.is_file():
        raise ModelError(
            f"model.weights: {path} not found; give imagenet, compact, null or the path of a .keras file"
        )
    try:
        if path.suffix == ".keras":
            source = next(
                layer
                for layer in keras.saving.load_model(path, compile=False).layers
                if layer.name == backbone.name
            )
            backbone.set_weights(source.get_weights())
        else:
            backbone.load_weights(path)
    except StopIteration:
        raise ModelError(
            f"model.weights: {path} holds no backbone {backbone.name!r}; use a matching model"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"model.weights: {path} does not fit backbone {backbone.name!r} ({_first_line(error)}); "
            "use weights that were saved from the same backbone, stem, widths and depths"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
