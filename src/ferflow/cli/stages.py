"""The stages of the pipeline as commands: those of the table, some with options of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.app import PIPELINE
from ferflow.cli.inspect import print_dry_run
from ferflow.cli.model_options import ExportOption
from ferflow.cli.options import ParamsOption
from ferflow.errors import SourceError
from ferflow.stages.table import STAGES, Stage

commands = typer.Typer()


def download(
    params: ParamsOption = paths.PARAMS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print how the source would be read; write nothing.")
    ] = False,
) -> None:
    """Decode, check and index the images of the source; bring the face detector."""
    values = ferflow.load_params(params)
    if dry_run:
        print_dry_run(values.download)
        return
    workflows.stage.run("download", values, origin=params)


def train(params: ParamsOption = paths.PARAMS) -> None:
    """Train the network; a stopped run goes on from its last epoch."""
    workflows.train.train(ferflow.load_params(params), origin=params)


def evaluate(
    params: ParamsOption = paths.PARAMS,
    data: Annotated[
        Path | None, typer.Option("--data", help="Score this folder of class subfolders.", metavar="DIR")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="Count a class as an emotion; 'NAME=' leaves it out.", metavar="NAME=EMOTION"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Results go to reports/cross/NAME.", metavar="NAME")
    ] = None,
    export: ExportOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="Score a .keras file instead, such as models/model.keras.", metavar="FILE"
        ),
    ] = None,
    faces: Annotated[
        Literal["whole", "crop"],
        typer.Option("--faces", help="Pictures are cut-out faces, or the largest face is looked for."),
    ] = "whole",
    max_bad_share: Annotated[
        float, typer.Option("--max-bad-share", min=0, max=1, help="Share of images that may be unreadable.")
    ] = 0.05,
) -> None:
    """Score the test images once, with and without those that have a copy in train or val.

    With --data: any folder whose subfolders are classes, such as CK+, JAFFE or photos of your own.
    """
    _check_options(data, map=mapping, name=name, export=export, model=model, faces=faces == "crop")
    if data is None:
        workflows.evaluate.evaluate(ferflow.load_params(params), origin=params)
        return
    report = workflows.evaluate_folder.evaluate_folder(
        workflows.evaluate_folder.scoring_params(params),
        data,
        name=name,
        mapping=mapping or (),
        export=export,
        model=model,
        faces=faces,
        max_bad_share=max_bad_share,
    )
    for line in workflows.evaluate_folder.in_words(report):
        typer.echo(line)


def _check_options(data: Path | None, **options: object) -> None:
    """See that options of `--data` are not given alone.

    Raises:
        SourceError: One does.
    """
    given = [f"--{name}" for name, value in options.items() if value]
    if data is None and given:
        raise SourceError(
            f"{', '.join(given)} belongs to --data DIR; give that, too, or leave the "
            "option away: without --data the test subset of the pipeline is scored"
        )


def _plain(stage: Stage) -> Callable[..., None]:
    """The command of a stage that has no options of its own."""

    def command(params: ParamsOption = paths.PARAMS) -> None:
        workflows.stage.run(stage.name, ferflow.load_params(params), origin=params)

    command.__doc__ = stage.summary
    return command


_WITH_OPTIONS = {"download": download, "train": train, "evaluate": evaluate}

for _stage in STAGES.values():
    commands.command(_stage.name, rich_help_panel=PIPELINE)(_WITH_OPTIONS.get(_stage.name) or _plain(_stage))
