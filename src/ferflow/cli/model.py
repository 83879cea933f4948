"""The commands `model`: look at the network."""

from __future__ import annotations

from typing import Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption

commands = typer.Typer()
model_app = typer.Typer(help="Look at the network.", no_args_is_help=True)
commands.add_typer(model_app, name="model")


@model_app.command("summary")
def model_summary(
    name: Annotated[
        str | None, typer.Option("--profile", help="A profile; without it params.yaml is used.")
    ] = None,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Print how many parameters the network has: total, trainable and frozen."""
    if name:
        counts = workflows.network.count_parameters_of(name)
    else:
        counts = workflows.network.count_parameters(ferflow.load_params(params))
    for kind, number in counts._asdict().items():
        typer.echo(f"{kind:<10}{number:>12,}")
