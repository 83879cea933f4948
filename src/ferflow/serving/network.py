"""The exported network under ONNX Runtime: faces in, probabilities and maps out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow import heavy
from ferflow.data.store import Images
from ferflow.errors import ModelError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.machine import usable_cores
from ferflow.serving.devices import Device, candidates, providers_of, unusable
from ferflow.serving.export_folder import Description, Precision, model_file, read_file

Probabilities = NDArray[np.float32]
Maps = NDArray[np.float32]

# Faces of one call: ten views of each at once are enough to keep the cores busy, and bound the memory.
_BATCH = 32
# An input that exports with ten crops have: the first row of the batch that passes the network, and the one
# after the last. The batch begins with the images as they are, for the maps; their crops, for the answers,
# follow. Exports of earlier versions do not have this input.
_ROWS, _MANY = "rows", 2**31 - 1
_SILENT = 3  # ONNX Runtime's severity "error": its warnings are not for users of ferflow


class Network:
    """An exported network, loaded; safe to call from several threads.

    Args:
        folder: The export folder.
        description: Its `export.json`.
        precision: `float32` or `int8`.
        threads: Threads of one call; None: as many as this process has cores.
        device: Where it computes.

    Attributes:
        device: Where it does; of `auto`, what was chosen.

    Raises:
        ModelError: The file is missing, damaged, another one, or no network of `ferflow export`; or the
            device cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        *,
        precision: Precision,
        threads: int | None,
        device: Device = "auto",
    ) -> None:
        if threads is not None and threads < 1:
            raise ModelError(f"threads is {threads}, expected 1 or more")
        self._path = folder / model_file(precision)
        content = read_file(folder, self._path.name, description)
        with self._errors("load"):
            self._session, self.device = start_session(content, threads, device)
        optional = {entry.name for entry in self._session.get_overridable_initializers()}
        self._has_rows = _ROWS in optional
        inputs, outputs = (
            sorted(entry.name for entry in entries)
            for entries in (self._session.get_inputs(), self._session.get_outputs())
        )
        if inputs != ["images"] or outputs != ["maps", "probabilities"]:
            raise ModelError(
                f"{self._path}: takes {', '.join(inputs)} and gives {', '.join(outputs)}, expected images to "
                "maps and probabilities; write the folder again with 'ferflow export'"
            )

    def predict(self, faces: Images) -> Probabilities:
        """(N, 48, 48) uint8 faces to (N, 7) float32 probabilities; N may be 0."""
        batches = [self._run("probabilities", batch) for batch in _batches(faces)]
        return np.concatenate(batches) if batches else np.zeros((0, len(EMOTIONS)), np.float32)

    def maps(self, faces: Images) -> Maps:
        """(N, 48, 48) uint8 faces, N at least 1, to (N, 7, h, w) float32: Grad-CAM of the plain view."""
        return np.concatenate([self._run("maps", batch) for batch in _batches(faces)])

    def _run(self, output: str, faces: Images) -> NDArray[np.float32]:
        inputs: dict[str, NDArray[Any]] = {"images": faces}
        if self._has_rows:
            rows = (0, len(faces)) if output == "maps" else (len(faces), _MANY)
            inputs[_ROWS] = np.array(rows, np.int32)
        with self._errors("run"):
            (found,) = self._session.run([output], inputs)
        return np.asarray(found, np.float32)

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        failures = (
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.EPFail,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.Fail,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
            heavy.onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
        )
        try:
            yield
        except failures as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{self._path}: ONNX Runtime cannot {verb} it ({reason}); "
                "write the folder again with 'ferflow export'"
            ) from error


def check_faces(faces: NDArray[Any]) -> Images:
    """The faces as one block of memory.

    Raises:
        ModelError: They are not (N, 48, 48) uint8.
    """
    if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise ModelError(
            f"faces are {faces.dtype} {faces.shape}, expected uint8 (N, {IMAGE_SIZE}, {IMAGE_SIZE})"
        )
    return np.ascontiguousarray(faces)


def _batches(faces: Images) -> list[Images]:
    checked = check_faces(faces)
    return [checked[start : start + _BATCH] for start in range(0, len(checked), _BATCH)]


def start_session(content: bytes, threads: int | None, wanted: str) -> tuple[Any, Device]:
    """The session of a model on the first device that starts, and that device.

    Args:
        content: The ONNX file.
        threads: The number of threads of one call; None: as many as this process has cores.
        wanted: A `Device`.

    Raises:
        ModelError: The device cannot be used.
    """
    devices = candidates(wanted, heavy.onnxruntime.get_available_providers())
    options = heavy.onnxruntime.SessionOptions()
    # Of its own accord ONNX Runtime counts the machine's cores, not those that this process may use.
    options.intra_op_num_threads = threads or usable_cores()
    options.log_severity_level = _SILENT
    *better, last = devices
    for device in better:
        with suppress(ModelError):
            return _started(content, options, device), device
    return _started(content, options, last), last


def _started(content: bytes, options: Any, device: Device) -> Any:
    providers = providers_of(device)
    if device == "cpu":
        return heavy.onnxruntime.InferenceSession(content, options, providers=providers)
    try:
        # Its own fallback to the processor would print to stdout, among the answers.
        session = heavy.onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    except (ValueError, RuntimeError) as error:
        raise unusable(device, " ".join(str(error).split())) from error
    if providers[0] not in session.get_providers():
        raise unusable(device, "ONNX Runtime left it out")
    return session
