"""Score a folder of class subfolders, such as CK+ or JAFFE, as the test images are scored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferflow import paths
from ferflow.data.sources.class_folder import read_class_folder
from ferflow.data.sources.class_names import parse_map
from ferflow.data.sources.reading import Cut
from ferflow.data.store import Images
from ferflow.errors import OutputError
from ferflow.params.scoring import ScoringParams
from ferflow.params.scoring import scoring_params as scoring_params
from ferflow.progress import say
from ferflow.reader import Reader, choose_reader, cut_faces
from ferflow.stages import evaluate_folder as stage
from ferflow.stages.results import EvaluateReport
from ferflow.workflows.running import locked

Faces = Literal["whole", "crop"]

_CROSS = paths.REPORTS / "cross"
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class FolderReport:
    """What scoring a folder came to.

    Attributes:
        scores: The figures.
        model: The network that answered, in words.
        output_dir: The folder that was written.
    """

    scores: EvaluateReport
    model: str
    output_dir: Path


def evaluate_folder(
    params: ScoringParams,
    data: Path,
    *,
    name: str | None = None,
    mapping: Sequence[str] = (),
    export: Path | None = None,
    model: Path | None = None,
    faces: Faces = "whole",
    max_bad_share: float = 0.05,
) -> FolderReport:
    """Score the folder and write `reports/cross/NAME/`.

    Args:
        params: Sections `download` (bounds of reading) and `evaluate`, as `scoring_params` gives them.
        data: The folder; its subfolders are classes.
        name: The name of the results; by default that of the folder.
        mapping: Entries such as `contempt=` or `joy=happy` for classes of other names.
        export: An export folder that answers; None: by the rule of `ferflow predict`.
        model: A `.keras` file that answers instead.
        faces: Whether pictures are cut-out faces, or the largest face of each is looked for.
        max_bad_share: Share of images that may be unreadable, 0-1.

    Raises:
        SourceError: The folder, or a class of it, cannot be used.
        DataError: Its images cannot.
        DetectorError: The face detector cannot.
        ModelError: The network cannot, or two are named.
        OutputError: The name cannot be that of a folder, or a result cannot be written.
    """
    output_dir = _output_dir_of(data, name)
    reader = choose_reader(params.evaluate, export=export, model=model)
    with locked("evaluate-folder"):
        say(f"model: {reader.name}")
        if reader.warning:
            say(f"warning: {reader.warning}")
        cut = _cutter(reader) if faces == "crop" else None
        content = read_class_folder(data, params.download, mapping=parse_map(list(mapping)), cut=cut)
        scores = stage.run(
            params.evaluate,
            content,
            reader=reader,
            pipeline=stage.Pipeline(paths.SPLIT, paths.REPORTS),
            output_dir=output_dir,
            max_bad_share=max_bad_share,
            was_cut=faces == "crop",
        )
    return FolderReport(scores, reader.name, output_dir)


def in_words(report: FolderReport) -> list[str]:
    """The figures for people, a few lines."""
    scored = report.scores
    lines = [f"model      {report.model}"]
    for name, scores in (("accuracy", scored.scores), ("leak-free", scored.leak_free)):
        if scores.accuracy is None:
            lines.append(f"{name:<10} not defined: 0 images")
            continue
        lines.append(
            f"{name:<10} {scores.accuracy:.4f}  ({scores.accuracy_low:.4f} to {scores.accuracy_high:.4f}) "
            f"on {scores.num_images:,} images"
        )
    half = scored.confidence.full.abstention.by_coverage["0.5"]
    if half.accuracy is not None and half.threshold is not None:
        coverage, threshold = f"{half.coverage:.0%}", f"{half.threshold:.2f}"
        lines.append(f"abstaining {half.accuracy:.4f}  on the {coverage} with confidence {threshold} or more")
    return [*lines, f"report     {report.output_dir / 'report.html'}"]


def _output_dir_of(data: Path, name: str | None) -> Path:
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


def _cutter(reader: Reader) -> Cut:
    """Finds the largest face of a picture as `ferflow predict` finds faces, and cuts it out."""
    finder = reader.open_finder()

    def cut(picture: Images) -> Images | None:
        found = cut_faces(finder, picture)
        if not found:
            return None
        return max(found, key=lambda each: each[0].box[2] * each[0].box[3])[1]

    return cut
