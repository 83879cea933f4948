"""The command `profile`: values of a profile become the parameter file."""

from __future__ import annotations

from typing import Annotated

import typer

from ferflow import workflows

commands = typer.Typer()


@commands.command()
def profile(
    name: Annotated[str, typer.Argument(help="sample, cpu, paper or best.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one key, such as train.epochs=3. Repeatable."
        ),
    ] = None,
) -> None:
    """Write params.yaml from a profile."""
    report = workflows.profile.profile(name, changes=changes or ())
    if report.backup is not None:
        typer.echo(f"{report.target} held other values than a profile; they are kept in {report.backup}")
    typer.echo(f"{report.target} now holds profile {name}; run 'dvc repro'")
