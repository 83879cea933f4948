"""The command `explain`: where in a face the evidence lies; part of `ferflow.cli`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferflow import layout

if TYPE_CHECKING:
    from ferflow.faithfulness import Faithfulness
    from ferflow.heatmap import Faces, Run
    from ferflow.params import Params

commands = typer.Typer()

# Side of a picture in pixels: six times the face that the network sees.
_SIDE = 288
_SHOWN_EMOTIONS = 3


@commands.command(rich_help_panel="The model at work")
def explain(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[IMAGE]...",
            help="Pictures of one face each. Without any: a gallery of the test images.",
        ),
    ] = None,
    model: Annotated[
        Path, typer.Option("--model", help="The network, a .keras file.", metavar="FILE")
    ] = layout.MODEL,
    output: Annotated[
        Path, typer.Option("--output", help="The folder that pictures are written to.", metavar="FOLDER")
    ] = layout.REPORTS / "explain",
    measured: Annotated[
        int, typer.Option("--measured", min=1, help="Test images that the heatmaps are checked on.")
    ] = 512,
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file.", metavar="FILE")
    ] = layout.PARAMS,
) -> None:
    """Show which parts of a face speak for the network's answer (Grad-CAM).

    Of given pictures: the face beside its heatmap, and the answer. Of the test images: right and wrong
    answers of each class, and by how much the answer suffers when what is hot is covered.
    """
    from ferflow.params import load_params

    values = load_params(params)
    if images:
        _explain_pictures(images, values, model_path=model, output_dir=output)
    else:
        _explain_test_images(values, model_path=model, output_dir=output, measured=measured)


def _explain_pictures(paths: list[Path], params: Params, *, model_path: Path, output_dir: Path) -> None:
    """Write a picture each and print the answers; nothing is written if one cannot be read."""
    import numpy as np

    from ferflow.heatmap import heatmaps, overlay
    from ferflow.labels import EMOTIONS

    faces = np.stack([_read_face(path, max_pixels=params.download.max_image_pixels) for path in paths])
    network, run = _load(model_path)
    probabilities = _probabilities(network, faces, params)
    heat = heatmaps(run, faces, probabilities.argmax(axis=1))
    for path, target, face, evidence, answer in zip(
        paths, _targets(paths, output_dir), faces, heat, probabilities, strict=True
    ):
        bare = overlay(face, np.zeros_like(evidence), side=_SIDE)
        _write_picture(target, np.concatenate([bare, overlay(face, evidence, side=_SIDE)], axis=1))
        order = np.argsort(-answer, kind="stable")[:_SHOWN_EMOTIONS]
        shares = ", ".join(f"{EMOTIONS[index]} {answer[index]:.1%}" for index in order)
        typer.echo(f"{path}: {shares} -> {target}")


def _explain_test_images(params: Params, *, model_path: Path, output_dir: Path, measured: int) -> None:
    """Write the gallery and the figures of the heatmaps; print the figures."""
    import numpy as np

    from ferflow.data.subsets import load_subset
    from ferflow.faithfulness import measure
    from ferflow.files import write_json
    from ferflow.reporting.gallery import write_gallery

    test = load_subset(layout.SPLIT / "test.npz")
    network, run = _load(model_path)
    probabilities = _probabilities(network, test.images, params, label="predicting")
    gallery = output_dir / "gallery.png"
    write_gallery(gallery, run, images=test.images, labels=test.labels, probabilities=probabilities)
    rows = np.unique(np.linspace(0, len(test.images) - 1, measured).astype(int))
    found = measure(run, test.images[rows], seed=params.seed)
    write_json(output_dir / "faithfulness.json", asdict(found))
    for line in _in_words(found):
        typer.echo(line)
    typer.echo(f"gallery: {gallery}")


def _load(path: Path) -> tuple[Any, Run]:
    """The network, and as heatmaps take it."""
    from ferflow.errors import ModelError
    from ferflow.model.explain import keras_run
    from ferflow.model.network import load_network

    network = load_network(path)
    try:
        return network, keras_run(network)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _in_words(found: Faithfulness) -> list[str]:
    return [
        f"Covering a quarter of the face takes from the answer's probability, mean of {found.num_images:,} "
        "test images:",
        f"  the hottest {100 * found.drop_hottest:.1f} points, a random one {100 * found.drop_random:.1f}, "
        f"the coldest {100 * found.drop_coldest:.1f}",
        f"Of the heat {found.central_heat:.1%} is in the central {found.central_area:.1%} of the area; "
        f"{found.central_peaks:.1%} of the faces are hottest there.",
    ]


def _read_face(path: Path, *, max_pixels: int) -> Faces:
    from ferflow.data.images import BadImageError, decode_face
    from ferflow.errors import DataError

    try:
        return decode_face(path.read_bytes(), max_pixels=max_pixels)
    except BadImageError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); give pictures of one face each"
        ) from error


def _probabilities(network: Any, faces: Faces, params: Params, *, label: str | None = None) -> Any:
    """The answers as `ferflow evaluate` gives them: with the views that it averages over."""
    from ferflow.model.backend import memory_errors
    from ferflow.model.network import image_size_of
    from ferflow.model.prediction import predict_probabilities

    settings = params.evaluate
    with memory_errors("evaluate.batch_size", settings.batch_size, image_size_of(network)):
        return predict_probabilities(
            network,
            faces,
            batch_size=settings.batch_size,
            test_time_augmentation=settings.test_time_augmentation,
            label=label,
        )


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
