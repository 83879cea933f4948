"""What `ferflow evaluate --data` does; the command itself is in `ferflow.cli.app`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ferflow import paths
from ferflow.errors import ModelError, OutputError, SourceError

if TYPE_CHECKING:
    from ferflow.data.sources.reading import Cut
    from ferflow.data.store import Images
    from ferflow.params import EvaluateParams
    from ferflow.params.scoring import ScoringParams
    from ferflow.reader import Reader
    from ferflow.stages.results import EvaluateReport

Faces = Literal["whole", "crop"]

_CROSS = paths.REPORTS / "cross"
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*")


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
    params: ScoringParams,
    data: Path,
    *,
    mapping: list[str],
    output_dir: Path,
    reader: Reader,
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
    from ferflow.data.sources.class_folder import read_class_folder
    from ferflow.data.sources.class_names import parse_map
    from ferflow.progress import say
    from ferflow.stages import evaluate_folder as stage

    say(f"model: {reader.name}")
    if reader.warning:
        say(f"warning: {reader.warning}")
    content = read_class_folder(
        data, params.download, mapping=parse_map(mapping), cut=_cutter(reader) if faces == "crop" else None
    )
    return stage.run(
        params.evaluate,
        content,
        reader=reader,
        pipeline=stage.Pipeline(paths.SPLIT, paths.REPORTS),
        output_dir=output_dir,
        max_bad_share=max_bad_share,
        was_cut=faces == "crop",
    )


def describe(report: EvaluateReport, output_dir: Path, *, model: str) -> str:
    """The result of a model, given in words, in a few lines."""
    lines = [f"model      {model}"]
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


def open_reader(export: Path | None, model: Path | None, params: EvaluateParams) -> Reader:
    """The network that scores: a `.keras` file that is named, else by the rule of `ferflow predict`.

    Raises:
        ModelError: It is missing or damaged, or two are named.
    """
    from ferflow.reader import exported_reader, keras_reader

    if model is None:
        return exported_reader(export)
    if export is not None:
        raise ModelError("--export and --model name two networks; name one")
    return keras_reader(model, params)


def _cutter(reader: Reader) -> Cut:
    """Finds the largest face of a picture as `ferflow predict` finds faces, and cuts it out."""
    from ferflow.reader import cut_faces

    finder = reader.open_finder()

    def cut(picture: Images) -> Images | None:
        found = cut_faces(finder, picture)
        if not found:
            return None
        return max(found, key=lambda each: each[0].box[2] * each[0].box[3])[1]

    return cut
