"""The command `summary`: the figures of the last run."""

from __future__ import annotations

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption

commands = typer.Typer()


@commands.command()
def summary(params: ParamsOption = paths.PARAMS) -> None:
    """Print the figures of the last run and where to look next."""
    typer.echo(workflows.summary.summary(ferflow.load_params(params)))
