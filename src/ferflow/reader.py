"""The network that reads faces in `explain` and `evaluate --data`, with the name that every output gives it.

By the rule of `ferflow.serving.answering` an export, under ONNX Runtime and without TensorFlow; or a `.keras`
file that was named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow import explain, paths
from ferflow import model as networks
from ferflow.data.store import Images
from ferflow.errors import ModelError
from ferflow.explain.heatmap import Run
from ferflow.files import sha256_of
from ferflow.params import EvaluateParams
from ferflow.progress import track
from ferflow.serving.answering import choose_model
from ferflow.serving.crop import cut_face
from ferflow.serving.defaults import MIN_SCORE
from ferflow.serving.export_folder import Description
from ferflow.serving.finder import Finder, Found, HaarFinder, YuNetFinder, open_finder
from ferflow.serving.network import Network
from ferflow.stages.results import DECIMALS, predict

# (N, 48, 48) uint8 faces and what to call the work, None for silence, to (N, 7) float64 probabilities.
Read = Callable[[Images, str | None], NDArray[np.float64]]

_AT_ONCE = 256


@dataclass(frozen=True)
class Reader:
    """A network that reads faces.

    Attributes:
        name: In words, for people.
        facts: For JSON: name, version, sha256, source, trained_on, warning.
        sha256: The SHA-256 of its `.keras` file.
        views: Whose mean an answer is, as `evaluate.test_time_augmentation`.
        temperature: The temperature of the confidence, as its export has it; None where none was fitted.
        read: Faces to probabilities, rounded to 6 decimals.
        open_run: Gives the network as heatmaps take it; a ModelError where they cannot be made of it.
        open_finder: Gives what finds faces in photos.
    """

    name: str
    facts: dict[str, Any]
    sha256: str
    views: str
    temperature: float | None
    read: Read
    open_run: Callable[[], Run]
    open_finder: Callable[[], Finder]

    @property
    def warning(self) -> str | None:
        """What must be said beside its answers; None where nothing must."""
        warning: str | None = self.facts["warning"]
        return warning


def choose_reader(
    params: EvaluateParams | None,
    *,
    export: Path | None = None,
    model: Path | None = None,
    detector: Path | None = None,
) -> Reader:
    """The network that reads faces: a `.keras` file that is named, else by the rule of `ferflow predict`.

    Args:
        params: How a `.keras` file answers; needed for one alone.
        export: An export.
        model: A `.keras` file.
        detector: YuNet's ONNX file, `haar` or `auto`; None: as the export says.

    Raises:
        ModelError: The network is missing or damaged, or two are named.
    """
    if model is None:
        return exported_reader(export, detector=detector)
    if export is not None:
        raise ModelError("--export and --model name two networks; name one")
    if params is None:
        raise ModelError(f"{model}: how it answers is said by section evaluate; give the parameters, too")
    return keras_reader(model, params, detector=detector)


def exported_reader(folder: Path | None, *, detector: Path | None = None) -> Reader:
    """The model that answers by the rule of `ferflow predict`.

    Args:
        folder: An export; None: `export/`, or the built-in network where there is none.
        detector: YuNet's ONNX file, `haar` or `auto`; None: as the export says.

    Raises:
        ModelError: The folder is no export, or damaged.
    """
    model = choose_model(folder)
    found: Description = model.description
    network = Network(model.folder, found, precision="float32", threads=None)
    return Reader(
        name=model.in_words(),
        facts=model.as_json(),
        sha256=found.model_sha256,
        views=found.test_time_augmentation,
        temperature=found.temperature,
        read=_read_by(network),
        open_run=lambda: Run(network.predict, network.maps),
        open_finder=lambda: open_finder(model.folder, found, min_score=MIN_SCORE, detector=detector),
    )


def keras_reader(path: Path, params: EvaluateParams, *, detector: Path | None = None) -> Reader:
    """A network of a `.keras` file, with the views of `evaluate.test_time_augmentation`.

    Faces are found as the pipeline here found them: by its YuNet, else by OpenCV's cascade.

    Raises:
        ModelError: The file is missing or damaged.
    """
    network = networks.network.load_network(path)
    sha256 = sha256_of(path)

    def open_run() -> Run:
        try:
            return explain.gradcam.keras_run(network)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    return Reader(
        name=f"{path} (sha256 {sha256[:12]})",
        facts={
            "name": str(path),
            "version": None,
            "sha256": sha256,
            "source": "keras file",
            "trained_on": None,
            "warning": None,
        },
        sha256=sha256,
        views=params.test_time_augmentation,
        temperature=None,
        read=lambda faces, label: predict(network, faces, params, label=label),
        open_run=open_run,
        open_finder=lambda: _pipeline_finder(detector),
    )


def cut_faces(finder: Finder, pixels: Images) -> list[tuple[Found, Images]]:
    """The faces of a photo, from left to right, each with its (48, 48) uint8 cut, as `ferflow predict` cuts.

    Args:
        finder: What finds them.
        pixels: (H, W) or (H, W, 3) uint8, blue first.
    """
    found = finder.find(pixels)
    grey = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    return [(face, cut_face(grey, face.square)) for face in found]


def _read_by(network: Network) -> Read:
    def read(faces: Images, label: str | None) -> NDArray[np.float64]:
        starts = range(0, len(faces), _AT_ONCE)
        tracked = track(starts, total=len(starts), label=label, unit="batches") if label else starts
        parts = [network.predict(faces[start : start + _AT_ONCE]) for start in tracked]
        return np.concatenate([network.predict(faces[:0]), *parts]).astype(np.float64).round(DECIMALS)

    return read


def _pipeline_finder(detector: Path | None) -> Finder:
    if detector is not None:
        model = choose_model(paths.BUILT_IN)
        return open_finder(model.folder, model.description, min_score=MIN_SCORE, detector=detector)
    path = paths.RAW / "detector.onnx"
    if path.is_file():
        return YuNetFinder(path.read_bytes(), path=path, min_score=MIN_SCORE)
    return HaarFinder(min_score=MIN_SCORE)
