"""The command `explain`: where in a face the evidence lies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferflow import paths
from ferflow.cli.model_options import DetectorOption, ExportOption
from ferflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ferflow.explain.faithfulness import Faithfulness
    from ferflow.explain.heatmap import Faces, Heat
    from ferflow.reader import Reader

commands = typer.Typer()

# Side of a picture in pixels: six times the face that the network sees.
_SIDE = 288
_SHOWN_EMOTIONS = 3
_LINE, _LETTERS, _PAPER, _INK = 22, 0.45, 255, 40
_LEAST_LETTERS = 0.3


@commands.command(rich_help_panel="The model at work")
def explain(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[IMAGE]...",
            help="Pictures. Without any: a gallery of the test images.",
        ),
    ] = None,
    export: ExportOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="Take a .keras file instead, such as models/model.keras.", metavar="FILE"
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Each picture is one face: its largest centred square; look for none."),
    ] = False,
    detector: DetectorOption = None,
    output: Annotated[
        Path, typer.Option("--output", help="The folder that pictures are written to.", metavar="FOLDER")
    ] = paths.REPORTS / "explain",
    measured: Annotated[
        int, typer.Option("--measured", min=1, help="Test images that the heatmaps are checked on.")
    ] = 64,
    params: Annotated[
        Path,
        typer.Option("--params", help="The parameter file, for --model and the gallery.", metavar="FILE"),
    ] = paths.PARAMS,
) -> None:
    """Show which parts of a face speak for the network's answer (Grad-CAM).

    Of given pictures: each face that is found beside its heatmap, and the answer. Of the test images: right
    and wrong answers of each class, and by how much the answer suffers when what is hot is covered.
    """
    reader = _open_reader(export, model, detector, params)
    say(f"model: {reader.name}")
    if reader.warning:
        say(f"warning: {reader.warning}")
    if images:
        _explain_pictures(images, reader, whole=whole, output_dir=output)
    else:
        _explain_test_images(reader, params, output_dir=output, measured=measured)


def _open_reader(export: Path | None, model: Path | None, detector: Path | None, params: Path) -> Reader:
    from ferflow.errors import ModelError
    from ferflow.reader import exported_reader, keras_reader

    if model is None:
        return exported_reader(export, detector=detector)
    if export is not None:
        raise ModelError("--export and --model name two networks; name one")
    from ferflow.params.scoring import scoring_params

    return keras_reader(model, scoring_params(params).evaluate, detector=detector)


def _explain_pictures(paths: list[Path], reader: Reader, *, whole: bool, output_dir: Path) -> None:
    """Write a picture each and print the answers; nothing is written if one cannot be read."""
    import numpy as np

    from ferflow.explain.heatmap import heatmaps

    faces_of = _faces_of(paths, reader, whole=whole)
    run = reader.open_run()
    for path, target, faces in zip(paths, _targets(paths, output_dir), faces_of, strict=True):
        if not faces:
            typer.echo(f"{path}: no face found; --whole takes the centred square as one")
            continue
        stacked = np.stack(faces)
        answers = reader.read(stacked, None)
        heat = heatmaps(run, stacked, answers.argmax(axis=1))
        _write_picture(target, _drawn(faces, heat, answers, reader))
        for number, answer in enumerate(answers, start=1):
            which = f"face {number} of {len(faces)}: " if len(faces) > 1 else ""
            typer.echo(f"{path}: {which}{_shares(answer, _SHOWN_EMOTIONS)} -> {target}")


def _faces_of(paths: list[Path], reader: Reader, *, whole: bool) -> list[list[Faces]]:
    """The faces of each picture, (48, 48) uint8; how they are found is said."""
    from ferflow.data.images import to_grey_face
    from ferflow.reader import cut_faces

    pictures = [_read_picture(path) for path in paths]
    if whole:
        say("faces: each picture is one, its largest centred square")
        return [[to_grey_face(pixels)] for pixels in pictures]
    finder = reader.open_finder()
    found = [[cut for _, cut in cut_faces(finder, pixels)] for pixels in pictures]
    say(f"faces: {sum(map(len, found))} found in {len(paths)} pictures, as 'ferflow predict' finds them")
    return found


def _explain_test_images(reader: Reader, params: Path, *, output_dir: Path, measured: int) -> None:
    """Write the gallery and the figures of the heatmaps; print the figures."""
    import numpy as np

    from ferflow.data.subsets import load_subset
    from ferflow.explain.faithfulness import measure
    from ferflow.files import write_json
    from ferflow.params import load_params
    from ferflow.reporting.gallery import write_gallery

    values = load_params(params)
    test = load_subset(paths.SPLIT / "test.npz")
    run = reader.open_run()
    probabilities = reader.read(test.images, "predicting")
    gallery = output_dir / "gallery.png"
    write_gallery(
        gallery,
        run,
        images=test.images,
        labels=test.labels,
        probabilities=probabilities,
        note="; ".join(_below(reader)),
    )
    rows = np.unique(np.linspace(0, len(test.images) - 1, measured).astype(int))
    found = measure(run, test.images[rows], seed=values.seed)
    write_json(output_dir / "faithfulness.json", {"model": reader.facts, **asdict(found)})
    for line in _in_words(found):
        typer.echo(line)
    typer.echo(f"gallery: {gallery}")


def _in_words(found: Faithfulness) -> list[str]:
    return [
        f"Covering a quarter of the face takes from the answer's probability, mean of {found.num_images:,} "
        "test images:",
        f"  the hottest {100 * found.drop_hottest:.1f} points, a random one {100 * found.drop_random:.1f}, "
        f"the coldest {100 * found.drop_coldest:.1f}",
        f"Of the heat {found.central_heat:.1%} is in the central {found.central_area:.1%} of the area; "
        f"{found.central_peaks:.1%} of the faces are hottest there.",
    ]


def _read_picture(path: Path) -> NDArray[Any]:
    from ferflow.data.images import BadImageError, decode_image
    from ferflow.errors import DataError
    from ferflow.serving.predictor import MAX_PIXELS

    try:
        return decode_image(path.read_bytes(), max_pixels=MAX_PIXELS, limit="the limit of")
    except BadImageError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give pictures") from error


def _shares(answer: NDArray[Any], number: int) -> str:
    """The most probable emotions with their probabilities."""
    import numpy as np

    from ferflow.labels import EMOTIONS

    order = np.argsort(-answer, kind="stable")[:number]
    return ", ".join(f"{EMOTIONS[index]} {answer[index]:.1%}" for index in order)


def _below(reader: Reader) -> list[str]:
    """What stands below a picture: the network's name, and what must be said of it."""
    return [f"model: {reader.name}", *([reader.warning] if reader.warning else [])]


def _drawn(faces: Sequence[Faces], heat: Heat, answers: NDArray[Any], reader: Reader) -> NDArray[Any]:
    """A row a face: bare, with its heatmap, the answer below; at the end the network's name."""
    import numpy as np

    from ferflow.explain.heatmap import overlay

    rows = []
    for face, evidence, answer in zip(faces, heat, answers, strict=True):
        bare = overlay(face, np.zeros_like(evidence), side=_SIDE)
        rows.append(np.concatenate([bare, overlay(face, evidence, side=_SIDE)], axis=1))
        rows.append(_line(_shares(answer, _SHOWN_EMOTIONS)))
    return np.concatenate([*rows, *(_line(text) for text in _below(reader))])


def _line(text: str) -> NDArray[Any]:
    """A strip with a line of text; one that is too long is made smaller, then cut at its start."""
    import cv2
    import numpy as np

    width, font = 2 * _SIDE, cv2.FONT_HERSHEY_SIMPLEX
    strip = np.full((_LINE, width, 3), _PAPER, np.uint8)
    # OpenCV's letters are ASCII.
    plain = text.encode("ascii", "replace").decode("ascii")
    room = width - 12
    scale = max(
        _LEAST_LETTERS, min(_LETTERS, _LETTERS * room / cv2.getTextSize(plain, font, _LETTERS, 1)[0][0])
    )
    while cv2.getTextSize(plain, font, scale, 1)[0][0] > room:
        plain = "..." + plain[4:]
    cv2.putText(strip, plain, (6, _LINE - 7), font, scale, (_INK,) * 3, 1, cv2.LINE_AA)
    return strip


def _targets(paths: list[Path], output_dir: Path) -> list[Path]:
    """A PNG each, named after its picture but never like it; equal names are numbered."""
    names = [f"{path.stem}-explained" for path in paths]
    return [
        output_dir / f"{name}{f'-{names[:index].count(name) + 1}' if name in names[:index] else ''}.png"
        for index, name in enumerate(names)
    ]


def _write_picture(path: Path, picture: Any) -> None:
    import cv2

    from ferflow.files import atomic_file

    encoded = cv2.imencode(".png", picture)[1]
    with atomic_file(path) as fresh:
        fresh.write_bytes(encoded.tobytes())
