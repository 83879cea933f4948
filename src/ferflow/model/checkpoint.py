"""Generations of training state that survive `kill -9` and power loss.

Each generation is a folder written under another name, synced and renamed, with the SHA-256 of
its arrays and of its state in its `state.json`. Loading takes the newest generation of the run that is
whole; a damaged one is passed over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import model
from ferflow.data.store import read_arrays, write_arrays
from ferflow.errors import DataError
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.limits import parse_json
from ferflow.model.backend import load_keras

Arrays = dict[str, NDArray[Any]]

_GENERATIONS_KEPT = 2
# A run that was stopped for a quick trial of other parameters can still be gone on with.
_RUNS_KEPT = 3


class CheckpointStore:
    """The generations of one training run; runs of other fingerprints lie beside it.

    Args:
        directory: Folder with one folder a run; made when the first generation is saved.
        fingerprint: Identifies parameters, data and code that the generations belong to.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory = directory
        self._run = directory / fingerprint[:16]

    def save(self, epoch: int, arrays: Arrays, state: dict[str, Any]) -> None:
        """Write a generation, then remove all but the last two and all but the newest runs.

        Args:
            epoch: Number of finished epochs; orders the generations.
            arrays: Named arrays, restored bit by bit.
            state: What else is needed to go on; JSON types.

        Raises:
            OutputError: The generation cannot be written; the former ones stay.
        """
        with atomic_directory(self._run / f"epoch-{epoch:05d}") as fresh:
            write_arrays(fresh / "arrays.npz", arrays)
            content = {"sha256": sha256_of(fresh / "arrays.npz"), "names": sorted(arrays), "state": state}
            write_json(fresh / "state.json", {**content, "seal": _seal_of(content)})
        runs = sorted(self.directory.iterdir(), key=lambda run: run.stat().st_mtime, reverse=True)
        for old in self._generations()[_GENERATIONS_KEPT:] + runs[_RUNS_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The newest whole generation of this run as (arrays, state), or None."""
        for generation in self._generations():
            try:
                content = parse_json((generation / "state.json").read_text(encoding="utf-8"))
                seal = content.pop("seal")
                is_whole = seal == _seal_of(content)
                if is_whole and sha256_of(generation / "arrays.npz") == content["sha256"]:
                    return read_arrays(generation / "arrays.npz", content["names"]), content["state"]
            except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError):
                continue
        return None

    def _generations(self) -> list[Path]:
        return sorted((path for path in self._run.glob("epoch-*") if ".tmp-" not in path.name), reverse=True)


def _seal_of(content: dict[str, Any]) -> str:
    """The SHA-256 of a state: a flipped bit may leave it readable and another one."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class CheckpointWriter:
    """Writes generations in a thread beside training, one at a time.

    A context: at its end the last generation is written, also where an error ends the block.

    Args:
        store: Where the generations go.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=True)
        if kind is None:
            self.wait()

    def save(self, epoch: int, arrays: Arrays, state: dict[str, Any]) -> None:
        """Begin to write a generation, once the one before is written.

        Args:
            epoch: Number of finished epochs.
            arrays: What `variables_to_arrays` gave; those on a device come to the host beside training, too.
            state: What else is needed to go on; JSON types. Not to be changed afterwards.

        Raises:
            OutputError: The generation before this one could not be written.
        """
        self.wait()
        self._writing = self._thread.submit(self._write, epoch, arrays, state)

    def wait(self) -> None:
        """Return when all is written.

        Raises:
            OutputError: The last generation could not be written.
        """
        if self._writing is not None:
            self._writing.result()

    def _write(self, epoch: int, arrays: Arrays, state: dict[str, Any]) -> None:
        self._store.save(epoch, {name: np.asarray(value) for name, value in arrays.items()}, state)


def variables_to_arrays(prefix: str, variables: Any) -> Arrays:
    """Copy Keras variables into arrays named by their position.

    On JAX the copies stay on the device until they are written, so that it need not wait for the host.
    """
    keras = load_keras()
    if keras.backend.backend() == "jax":
        copies = model.steps_jax.copies_of(variables)
    else:
        copies = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    return {f"{prefix}{index:05d}": value for index, value in enumerate(copies)}


def arrays_to_variables(prefix: str, arrays: Arrays, variables: Any) -> None:
    """Assign what `variables_to_arrays` copied."""
    for index, variable in enumerate(variables):
        variable.assign(np.asarray(arrays[f"{prefix}{index:05d}"]))
