"""Test-time averaging: several views of each image, one mean of their probabilities."""

from __future__ import annotations

from typing import Any

from ferflow.model.backend import load_keras
from ferflow.params.evaluate import NUM_VIEWS

keras = load_keras()

# Side of a crop of ten-crop, in pixels of 48; as much zoom as training with `augment.zoom` 0.1 shows.
_CROP = 44


class Views(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """Stack the views of each image on the batch axis, view by view.

    Input (N, size, size, 1), 0-255; output (V N, size, size, 1) float32. `flip`: the image and its
    mirror image. `ten_crop` (Krizhevsky et al. 2012): four corners and the centre, resized back,
    and the mirror images of the five. `whole_and_ten_crop`: those of both.
    """

    def __init__(self, kind: str, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.kind = kind

    def call(self, images: Any) -> Any:
        """The views of all images, (V N, size, size, 1) float32, all first views before all second ones."""
        ops = keras.ops
        images = ops.cast(images, "float32")
        views = [images]
        if self.kind in ("ten_crop", "whole_and_ten_crop"):
            size = images.shape[1]
            far, middle = size - _CROP, (size - _CROP) // 2
            corners = [(0, 0), (0, far), (far, 0), (far, far), (middle, middle)]
            crops = [
                ops.image.resize(
                    images[:, top : top + _CROP, left : left + _CROP], (size, size), interpolation="bilinear"
                )
                for top, left in corners
            ]
            views = crops if self.kind == "ten_crop" else views + crops
        if self.kind != "none":
            views += [ops.flip(view, axis=2) for view in views]
        return ops.concatenate(views, axis=0)


class MeanOverViews(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """(V N, classes) of `Views` to the means over the views, (N, classes)."""

    def __init__(self, num_views: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.num_views = num_views

    def call(self, values: Any) -> Any:
        """The mean of each image's answers, (N, classes)."""
        return keras.ops.mean(keras.ops.reshape(values, (self.num_views, -1, values.shape[-1])), axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(N, classes); JAX cannot divide an unknown number of rows by the number of views."""
        return (None, input_shape[-1])


def averaged_over_views(network: Any, kind: str) -> Any:
    """The network with test-time averaging built in, so that one compiled step does it all.

    Args:
        network: A network from (N, 48, 48, 1) to (N, 7) probabilities.
        kind: One of `NUM_VIEWS`.

    Returns:
        A model with the same input and output; the network itself for `none`.
    """
    if kind == "none":
        return network
    images = keras.Input(network.input_shape[1:])
    return keras.Model(images, MeanOverViews(NUM_VIEWS[kind])(network(Views(kind)(images))))
