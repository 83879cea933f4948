"""Saving a network so that the same weights are the same bytes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from ferflow.files import atomic_file
from ferflow.model.backend import load_keras
from ferflow.model.network import build_network
from ferflow.params import ModelParams

keras = load_keras()


def save_network(network: Any, params: ModelParams, path: Path) -> None:
    """Save the network in float32, without optimizer, as a `.keras` file.

    Keras writes the time of saving and addresses of objects into the file; they are taken out,
    so that the file depends on architecture and weights alone.

    Args:
        network: A trained network of `build_network(params)`, of any precision.
        params: What it was built from.
        path: Place of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = build_network(params.model_copy(update={"weights": None}))
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(network.get_weights())
    save_as_it_is(copy, path)


def save_as_it_is(network: Any, path: Path) -> None:
    """Save a network that is in float32 already and has no optimizer.

    Args:
        network: Such as of `load_network` or `mean_of`.
        path: Place of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_file(path) as fresh:
        raw = fresh.with_name(f"{fresh.stem}-raw{fresh.suffix}")
        try:
            network.save(raw)
            _rewrite_reproducibly(raw, fresh)
        finally:
            raw.unlink(missing_ok=True)


def _rewrite_reproducibly(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name.endswith(".json"):
                content = json.dumps(_without_run_marks(json.loads(content), {})).encode()
            # A bare ZipInfo carries the fixed date 1980-01-01.
            new.writestr(zipfile.ZipInfo(name), content)


def _without_run_marks(content: Any, numbers: dict[int, int]) -> Any:
    """Drop the date and number shared objects by first appearance instead of by address."""
    if isinstance(content, dict):
        return {
            key: numbers.setdefault(value, len(numbers) + 1)
            if key == "shared_object_id"
            else _without_run_marks(value, numbers)
            for key, value in content.items()
            if key != "date_saved"
        }
    if isinstance(content, list):
        return [_without_run_marks(value, numbers) for value in content]
    return content
