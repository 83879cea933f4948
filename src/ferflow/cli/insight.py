"""The command `insight`: likely label errors and hard slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption
from ferflow.progress import say

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def insight(
    model: Annotated[
        Path, typer.Option("--model", help="The network that was trained on the split here.", metavar="FILE")
    ] = paths.MODEL,
    output: Annotated[
        Path, typer.Option("--output", help="The folder that is written as a whole.", metavar="FOLDER")
    ] = paths.REPORTS / "insight",
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            max=20,
            help="Judge the training images, too, by so many trainings that each leave some out. Stopped "
            "ones go on.",
        ),
    ] = None,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """List labels that are likely wrong, and show which kinds of images the network finds hard.

    Of images that the network did not learn from: test and validation, without copies of training
    images. Writes a page, a sheet of faces and tables; changes no label.
    """
    report = workflows.insight.insight(ferflow.load_params(params), model=model, output=output, folds=folds)
    found = report.found
    typer.echo(
        f"{len(found.errors.ranked):,} likely label errors among {len(found.images):,} images out of sample; "
        f"{found.num_leaked:,} leaked ones left out"
    )
    typer.echo(f"model: {model}, right on {found.accuracy:.1%} of the test and validation images among these")
    if found.warning:
        say(f"warning: {found.warning}")
    for sentence in report.sentences:
        typer.echo(sentence)
    for reason in found.left_out:
        typer.echo(f"left out: {reason}")
    typer.echo(f"page: {report.page}")
