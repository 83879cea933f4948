"""The code of a logged model; MLflow runs this file when it loads one.

It is no module of ferflow: it needs MLflow at import. What it imports of ferflow travels with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from ferflow.data.images import decode_face
from ferflow.errors import BadImageError, ModelError
from ferflow.labels import EMOTIONS, IMAGE_SIZE

_MAX_PIXELS = 200_000_000


class FerflowModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Faces in, labels and probabilities out."""

    def load_context(self, context: Any) -> None:
        """Load the network.

        Args:
            context: MLflow's; `artifacts` names the network's file, `model_config` says how to call it.
        """
        # Late: MLflow runs this file when a model is written, too, and Keras takes seconds.
        from ferflow.model.network import load_network

        self._network = load_network(Path(context.artifacts["network"]))
        self._options: dict[str, Any] = {
            "batch_size": int(context.model_config["batch_size"]),
            "test_time_augmentation": str(context.model_config["test_time_augmentation"]),
        }

    # With another hint of the input, or none, MLflow warns that it can read no signature from it.
    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,
        params: Any = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Predict.

        Args:
            context: MLflow's; not used.
            model_input: (N, 48, 48) uint8, 0-255, grey, or an array of objects: N image files as bytes.
            params: Not used.

        Returns:
            N rows: `label`, the most probable emotion, and `p_angry` to `p_surprise`.

        Raises:
            ModelError: The input is neither.
        """
        from ferflow.model.prediction import predict_probabilities  # As above.

        probabilities = predict_probabilities(self._network, _to_faces(model_input), **self._options)
        answers = pd.DataFrame(probabilities, columns=[f"p_{emotion}" for emotion in EMOTIONS])
        answers.insert(0, "label", np.array(EMOTIONS, dtype=object)[probabilities.argmax(axis=1)])
        return answers


def _to_faces(given: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(N, 48, 48) uint8 of either kind of input."""
    images = np.asarray(given)
    if images.ndim == 1 and len(images) and all(isinstance(entry, bytes) for entry in images):
        try:
            return np.stack([decode_face(entry, max_pixels=_MAX_PIXELS) for entry in images])
        except BadImageError as error:
            raise ModelError(f"an image file {error}; give JPEG, PNG or BMP") from error
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise ModelError(
            f"the input is {images.dtype} {images.shape}, expected uint8 (N, {IMAGE_SIZE}, {IMAGE_SIZE}), "
            "or (N,) objects: image files as bytes"
        )
    return images


mlflow.models.set_model(FerflowModel())
