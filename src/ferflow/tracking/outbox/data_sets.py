"""Data sets as MLflow lists them among the inputs of a run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ferflow import heavy
from ferflow.labels import IMAGE_SIZE
from ferflow.tracking.outbox.record import Subset

# MLflow's column for digests has 36 characters.
_DIGEST_CHARACTERS = 32


def described(subset: Subset) -> Any:
    """A data set as `mlflow.data` describes one of NumPy arrays in a local file."""
    bytes_of = np.dtype(np.uint8)
    faces = heavy.mlflow.types.Schema([heavy.mlflow.types.TensorSpec(bytes_of, (-1, IMAGE_SIZE, IMAGE_SIZE))])
    labels = heavy.mlflow.types.Schema([heavy.mlflow.types.TensorSpec(bytes_of, (-1,))])
    schema = heavy.mlflow.data.schema.TensorDatasetSchema(features=faces, targets=labels).to_dict()
    return heavy.mlflow.entities.Dataset(
        name=subset.name,
        digest=subset.sha256[:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": subset.path}),
        schema=json.dumps(schema),
        profile=json.dumps({"num_rows": subset.num_images, "sha256": subset.sha256}),
    )
