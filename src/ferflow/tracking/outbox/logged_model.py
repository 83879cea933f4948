"""The logged model: the network as a pyfunc that MLflow loads anywhere, without pickle.

It is models-from-code: `model_code/ferflow_model.py`, the modules of ferflow that it imports, and
the `.keras` file. The folder is written here and sent file by file, so that a store which is full or
away in between gets the rest later.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import EvaluateParams
from ferflow.source_code import PACKAGE, reached
from ferflow.tracking.outbox.journal import Record
from ferflow.tracking.store import load_mlflow

# Among the kept files of a journal: what becomes the logged model, and no artifact of the run.
NETWORK = "model.keras"
EXAMPLE = "example.npz"

_CODE = PACKAGE / "tracking" / "model_code" / "ferflow_model.py"
_REQUIREMENTS = ("mlflow", "keras", "numpy", "opencv-python-headless", "pydantic", "rich", "ruamel.yaml")
_BACKENDS = {"tensorflow": ("tensorflow",), "jax": ("jax", "jaxlib"), "torch": ("torch",)}


def calling(params: EvaluateParams, backend: str) -> dict[str, Any]:
    """How the network is called, for `Record.model`: what gives the probabilities of the evaluation.

    Args:
        params: The parameters of the evaluation.
        backend: Keras' backend, such as `tensorflow`.
    """
    packages = (*_REQUIREMENTS, *_BACKENDS.get(backend, (backend,)))
    return {
        "config": {
            "batch_size": params.batch_size,
            "test_time_augmentation": params.test_time_augmentation,
        },
        "requirements": [f"{name}=={importlib.metadata.version(name)}" for name in packages],
    }


def write_model(record: Record, network: Path, example: Path | None, folder: Path) -> None:
    """Write the pyfunc of a run.

    Args:
        record: `model` of it says how the network is called.
        network: The `.keras` file.
        example: A `.npz` file whose first `images` are the input example; none without it.
        folder: Where to write; must not exist.
    """
    mlflow = load_mlflow()
    code = folder.with_name(f"{folder.name}-code") / "ferflow"
    for module in reached((_CODE,)) - {_CODE}:
        target = code / module.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(_CODE),
        artifacts={"network": str(network)},
        code_paths=[str(code)],
        pip_requirements=record.model["requirements"],
        model_config=record.model["config"],
        signature=_signature(mlflow),
        input_example=_example(example),
        mlflow_model=mlflow.models.model.Model(metadata={"model_sha256": record.model_sha256}),
    )
    shutil.rmtree(code.parent)
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)


def name_in_store(folder: Path, *, model_id: str, run_id: str, location: str) -> None:
    """Write into the model's `MLmodel` which logged model of which run it is.

    Args:
        folder: A model of `write_model`.
        model_id: The id of the logged model.
        run_id: The id of its run.
        location: Where its artifacts lie.
    """
    mlflow = load_mlflow()
    described = mlflow.models.model.Model.load(str(folder))
    described.model_id = described.model_uuid = model_id
    described.run_id = run_id
    described.artifact_path = location
    # Not where they lay on this machine.
    function = described.flavors["python_function"]
    function["model_code_path"] = _CODE.name
    for artifact in function["artifacts"].values():
        artifact["uri"] = artifact["path"]
    described.save(str(folder / "MLmodel"))


def _signature(mlflow: Any) -> Any:
    """Any number of uint8 images: open sides let arrays of encoded images pass MLflow's check, too."""
    inputs: list[Any] = [mlflow.types.TensorSpec(np.dtype(np.uint8), (-1, -1, -1))]
    answers: list[Any] = [
        mlflow.types.ColSpec("string", "label"),
        *(mlflow.types.ColSpec("double", f"p_{emotion}") for emotion in EMOTIONS),
    ]
    return mlflow.models.ModelSignature(
        inputs=mlflow.types.Schema(inputs), outputs=mlflow.types.Schema(answers)
    )


def _example(path: Path | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if path is None or not path.is_file():
        return np.zeros((1, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays["images"][:2], np.uint8)
