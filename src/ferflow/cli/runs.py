"""The command `runs`: the tracked runs as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from ferflow import workflows

commands = typer.Typer()


@commands.command()
def runs(
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="How many of the newest runs.")] = 20,
) -> None:
    """List the runs that were trained, newest last.

    `ferflow compare` says more of a few of them. A run without test figures was not scored: it still trains,
    was stopped, or failed.
    """
    typer.echo(workflows.runs.table(number=last))
