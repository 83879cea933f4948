"""Command `tune`: the sweep over parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption

commands = typer.Typer()


@commands.command()
def tune(
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Trials of the study, earlier ones among them.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds that this command may take.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Trials at the same time.")] = None,
    until: Annotated[
        float | None, typer.Option("--until", min=0, max=1, help="Stop at this validation accuracy.")
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="Name of the study.")] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="postgresql://..., or the path of a .db or .journal file."),
    ] = None,
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Write the best values into the parameter file.")
    ] = False,
    apply_to: Annotated[
        Path | None, typer.Option("--apply-to", metavar="FILE", help="Write them into this profile instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Search for better parameters (section `tune`); the same command again goes on where it was.

    Trials are scored on the validation images, never on the test images. The first one is the parameter
    file's own setting. Run `dvc repro` after `--apply` to train and score the winner.
    """
    values = ferflow.load_params(params)
    report = workflows.tune.tune(
        values,
        origin=params,
        trials=trials,
        until=until,
        timeout=timeout,
        jobs=jobs,
        study=study,
        storage=storage,
        apply_to=apply_to or (params if is_applied else None),
    )
    for line in workflows.tune.in_words(report):
        typer.echo(line)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    if report.exit_code:
        raise typer.Exit(report.exit_code)
