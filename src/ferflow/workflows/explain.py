"""Where in a face the evidence for an answer lies (Grad-CAM): of pictures, or of the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow import paths, reporting
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.data.images import to_grey_face
from ferflow.data.store import Images
from ferflow.data.subsets import load_subset
from ferflow.errors import BadImageError, DataError
from ferflow.explain.faithfulness import Faithfulness, measure
from ferflow.explain.heatmap import Faces, heatmaps
from ferflow.explain.picture import draw, in_words
from ferflow.files import atomic_file, write_json
from ferflow.params import EvaluateParams, Params
from ferflow.params.scoring import scoring_params as scoring_params
from ferflow.progress import say
from ferflow.reader import Reader, choose_reader, cut_faces
from ferflow.serving.defaults import MAX_PIXELS
from ferflow.serving.reading import read_picture
from ferflow.serving.recorder import Inputs


@dataclass(frozen=True)
class ExplainedPicture:
    """A picture that was explained.

    Attributes:
        path: The path of the picture.
        answers: The most probable emotions of each face, in words; none where no face was found.
        target: The picture that was written; None where no face was found.
    """

    path: Path
    answers: tuple[str, ...]
    target: Path | None


@dataclass(frozen=True)
class GalleryReport:
    """The test images, explained.

    Attributes:
        figures: By how much the answer suffers when what is hot is covered.
        gallery: The picture that was written.
    """

    figures: Faithfulness
    gallery: Path


def explain_pictures(
    images: Sequence[Path],
    params: EvaluateParams | None = None,
    *,
    export: Path | None = None,
    model: Path | None = None,
    detector: Path | None = None,
    whole: bool = False,
    output: Path = paths.REPORTS / "explain",
) -> list[ExplainedPicture]:
    """Write for each picture its faces beside their heatmaps; nothing is written if one cannot be read.

    Args:
        images: The pictures.
        params: Section `evaluate`; only needed with a `.keras` file.
        export: An export folder that answers; None: by the rule of `ferflow predict`.
        model: A `.keras` file that answers instead.
        detector: YuNet's ONNX file, `haar` or `auto`; None: as the export says.
        whole: Whether each picture is one face: its largest centred square.
        output: The folder that pictures are written to.

    Raises:
        DataError: A picture cannot be read.
        ModelError: The network is missing or damaged, or two are named.
        DetectorError: The face detector cannot be used.
        OutputError: A picture cannot be written, or would replace one of those that are read.
    """
    inputs, targets = Inputs(images), _targets(images, output)
    for target in targets:
        inputs.check(target, option="--output")
    reader = _opened(choose_reader(params, export=export, model=model, detector=detector))
    faces_of = _faces_of(images, reader, whole=whole)
    run = reader.open_run()
    found = []
    for path, target, faces in zip(images, targets, faces_of, strict=True):
        if not faces:
            found.append(ExplainedPicture(path, (), None))
            continue
        stacked = np.stack(faces)
        answers = reader.read(stacked, None)
        heat = heatmaps(run, stacked, answers.argmax(axis=1))
        _write_picture(target, draw(faces, heat, answers, notes=_notes(reader)))
        found.append(ExplainedPicture(path, tuple(in_words(answer) for answer in answers), target))
    return found


def explain_test_images(
    params: Params,
    *,
    export: Path | None = None,
    model: Path | None = None,
    output: Path = paths.REPORTS / "explain",
    measured: int = 64,
) -> GalleryReport:
    """Write a gallery of right and wrong answers of each class, and how true the heatmaps are.

    Args:
        params: The seed, and section `evaluate`.
        export: An export folder that answers; None: by the rule of `ferflow predict`.
        model: A `.keras` file that answers instead.
        output: The folder that is written to.
        measured: Test images that the heatmaps are checked on.

    Raises:
        DataError: The split is missing or damaged.
        ModelError: The network is missing or damaged, or two are named.
        OutputError: A result cannot be written.
    """
    reader = _opened(choose_reader(params.evaluate, export=export, model=model))
    test = load_subset(paths.SPLIT / "test.npz")
    run = reader.open_run()
    probabilities = reader.read(test.images, "predicting")
    gallery = output / "gallery.png"
    reporting.gallery.write_gallery(
        gallery,
        run,
        images=test.images,
        labels=test.labels,
        probabilities=probabilities,
        note="; ".join(_notes(reader)),
    )
    rows = evenly_spaced(len(test.images), measured)
    found = measure(run, test.images[rows], seed=params.seed)
    write_json(output / "faithfulness.json", {"model": reader.facts, **asdict(found)})
    return GalleryReport(found, gallery)


def evenly_spaced(num_rows: int, wanted: int) -> NDArray[np.int64]:
    """So many of the rows, (N,) int64, from the first to the last; all of them where more are wanted."""
    return np.unique(np.linspace(0, num_rows - 1, min(wanted, num_rows)).astype(np.int64))


def _opened(reader: Reader) -> Reader:
    say(f"model: {reader.name}")
    if reader.warning:
        say(f"warning: {reader.warning}")
    return reader


def _notes(reader: Reader) -> list[str]:
    """The text below a picture: the network's name, and what must be said of it."""
    return [f"model: {reader.name}", *([reader.warning] if reader.warning else [])]


def _faces_of(paths: Sequence[Path], reader: Reader, *, whole: bool) -> list[list[Faces]]:
    """The faces of each picture, (48, 48) uint8; how they are found is said."""
    with DecodeBox() as box:
        pictures = [_read_picture(path, box) for path in paths]
    if whole:
        say("faces: each picture is one, its largest centred square")
        return [[to_grey_face(pixels)] for pixels in pictures]
    finder = reader.open_finder()
    found = [[cut for _, cut in cut_faces(finder, pixels)] for pixels in pictures]
    in_words = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
    say(f"faces: {sum(map(len, found))} found in {in_words}, as 'ferflow predict' finds them")
    return found


def _read_picture(path: Path, box: DecodeBox) -> Images:
    try:
        return read_picture(path, box.picture, number=1, max_pixels=MAX_PIXELS).pixels
    except BadImageError as error:
        raise DataError(str(error)) from error


def _targets(paths: Sequence[Path], output_dir: Path) -> list[Path]:
    """A PNG each, named after its picture but never like it; equal names are numbered."""
    names = [f"{path.stem}-explained" for path in paths]
    return [
        output_dir / f"{name}{f'-{names[:index].count(name) + 1}' if name in names[:index] else ''}.png"
        for index, name in enumerate(names)
    ]


def _write_picture(path: Path, picture: Any) -> None:
    encoded = cv2.imencode(".png", picture)[1]
    with atomic_file(path) as fresh:
        fresh.write_bytes(encoded.tobytes())
