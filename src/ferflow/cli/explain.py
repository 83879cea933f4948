"""The command `explain`: where in a face the evidence lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.model_options import DetectorOption, ExportOption

if TYPE_CHECKING:
    from ferflow.explain.faithfulness import Faithfulness

commands = typer.Typer()


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
    if not images:
        report = workflows.explain.explain_test_images(
            ferflow.load_params(params), export=export, model=model, output=output, measured=measured
        )
        for line in _in_words(report.figures):
            typer.echo(line)
        typer.echo(f"gallery: {report.gallery}")
        return
    found = workflows.explain.explain_pictures(
        images,
        None if model is None else workflows.explain.scoring_params(params).evaluate,
        export=export,
        model=model,
        detector=detector,
        whole=whole,
        output=output,
    )
    for picture in found:
        if picture.target is None:
            typer.echo(f"{picture.path}: no face found; --whole takes the centred square as one")
        for number, answer in enumerate(picture.answers, start=1):
            which = f"face {number} of {len(picture.answers)}: " if len(picture.answers) > 1 else ""
            typer.echo(f"{picture.path}: {which}{answer} -> {picture.target}")


def _in_words(found: Faithfulness) -> list[str]:
    return [
        f"Covering a quarter of the face takes from the answer's probability, mean of {found.num_images:,} "
        "test images:",
        f"  the hottest {100 * found.drop_hottest:.1f} points, a random one {100 * found.drop_random:.1f}, "
        f"the coldest {100 * found.drop_coldest:.1f}",
        f"Of the heat {found.central_heat:.1%} is in the central {found.central_area:.1%} of the area; "
        f"{found.central_peaks:.1%} of the faces are hottest there.",
    ]
