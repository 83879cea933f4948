"""What `ferflow evaluate --data` does; the command itself is in `ferflow.cli`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ferflow import layout
from ferflow.errors import OutputError, SourceError

if TYPE_CHECKING:
    from ferflow.data.reading import Cut
    from ferflow.params import Params
    from ferflow.serving.finder import Finder
    from ferflow.stages.results import EvaluateReport

Faces = Literal["whole", "crop"]

_CROSS = layout.REPORTS / "cross"
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*")
_MIN_SCORE = 0.6


def check_options(data: Path | None, **options: object) -> None:
    """See that options of `--data` do not stand alone.

    Raises:
        SourceError: One does.
    """
    given = [f"--{name}" for name, value in options.items() if value]
    if data is None and given:
        raise SourceError(
            f"{', '.join(given)} belongs to --data DIR; without it the test subset of the pipeline is scored"
        )


def output_dir_of(data: Path, name: str | None) -> Path:
    """Where the results go: `reports/cross/NAME`, by default named after the folder.

    Raises:
        OutputError: The name cannot be that of a folder.
    """
    chosen = re.sub(r"[^A-Za-z0-9._+-]+", "-", data.resolve().name) if name is None else name
    if not _NAME.fullmatch(chosen):
        raise OutputError(
            f"--name {chosen!r}: expected letters, digits, '.', '_', '+' and '-', not '.' or '-' first; "
            "choose another name"
        )
    return _CROSS / chosen


def evaluate_folder(
    params: Params,
    data: Path,
    *,
    mapping: list[str],
    output_dir: Path,
    model_path: Path,
    faces: Faces,
    max_bad_share: float,
) -> EvaluateReport:
    """Score a folder of class subfolders.

    Raises:
        SourceError: The folder, or a class of it, cannot be used.
        DataError: Its images cannot.
        DetectorError: The face detector cannot.
        ModelError: The network cannot.
        OutputError: A result cannot be written.
    """
    from ferflow.data.class_folder import read_class_folder
    from ferflow.data.class_names import parse_map
    from ferflow.model.network import load_network
    from ferflow.stages import evaluate_folder as stage

    if not model_path.is_file():
        load_network(model_path)  # says so before the images are read
    content = read_class_folder(
        data, params.download, mapping=parse_map(mapping), cut=_cutter() if faces == "crop" else None
    )
    return stage.run(
        params,
        content,
        pipeline=stage.Pipeline(model_path, layout.SPLIT, layout.REPORTS),
        output_dir=output_dir,
        max_bad_share=max_bad_share,
        was_cut=faces == "crop",
    )


def describe(report: EvaluateReport, output_dir: Path) -> str:
    """The result in a few lines."""
    lines = []
    for name, scores in (("accuracy", report.scores), ("leak-free", report.leak_free)):
        if scores.accuracy is None:
            lines.append(f"{name:<10} not defined: 0 images")
            continue
        lines.append(
            f"{name:<10} {scores.accuracy:.4f}  ({scores.accuracy_low:.4f} to {scores.accuracy_high:.4f}) "
            f"on {scores.num_images:,} images"
        )
    half = report.confidence.full.abstention.by_coverage["0.5"]
    if half.accuracy is not None and half.threshold is not None:
        coverage, threshold = f"{half.coverage:.0%}", f"{half.threshold:.2f}"
        lines.append(f"abstaining {half.accuracy:.4f}  on the {coverage} with confidence {threshold} or more")
    return "\n".join([*lines, f"report     {output_dir / 'report.html'}"])


def _cutter() -> Cut:
    """Finds the largest face of a picture as `ferflow predict` finds faces, and cuts it out."""
    import cv2

    from ferflow.data.store import Images
    from ferflow.serving.crop import cut_face

    finder = _finder()

    def cut(picture: Images) -> Images | None:
        found = finder.find(picture)
        if not found:
            return None
        largest = max(found, key=lambda face: face.box[2] * face.box[3])
        grey = (
            picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        )
        return cut_face(grey, largest.square)

    return cut


def _finder() -> Finder:
    """The export folder's detector, else the pipeline's YuNet, else OpenCV's cascade."""
    from ferflow.serving.export_folder import DESCRIPTION, read_description
    from ferflow.serving.finder import HaarFinder, YuNetFinder, open_finder

    if (layout.EXPORT / DESCRIPTION).is_file():
        return open_finder(layout.EXPORT, read_description(layout.EXPORT), min_score=_MIN_SCORE)
    path = layout.RAW / "detector.onnx"
    if path.is_file():
        return YuNetFinder(path.read_bytes(), path=path, min_score=_MIN_SCORE)
    return HaarFinder(min_score=_MIN_SCORE)
