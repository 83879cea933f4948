"""The command `runs`: the tracked runs as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ferflow import workflows

commands = typer.Typer()


@commands.command()
def runs(
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="How many of the newest runs.")] = 20,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            help="Write a page of all runs instead: filter, sort, and compare any two.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """List the runs that were trained, newest last.

    `ferflow compare` says more of a few of them. A run without test figures was not scored: it still trains,
    was stopped, or failed.
    """
    if page is None:
        typer.echo(workflows.runs.table(number=last))
        return
    number = workflows.runs.write_page(page)
    typer.echo(f"page: {page}, {number:,} {'run' if number == 1 else 'runs'}")
