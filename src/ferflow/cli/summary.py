"""The command `summary`: the figures of the last run."""

from __future__ import annotations

import typer

from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption
from ferflow.params import load_params

commands = typer.Typer()


@commands.command()
def summary(params: ParamsOption = paths.PARAMS) -> None:
    """Print the figures of the last run and where to look next."""
    typer.echo(workflows.summary.summary(load_params(params)))
