"""The command `watch`: the curves of what runs, in the terminal or on a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ferflow import watching, workflows
from ferflow.progress import say

commands = typer.Typer()


@commands.command()
def watch(
    sweep: Annotated[bool, typer.Option("--sweep", help="The newest study instead of trainings.")] = False,
    study: Annotated[str | None, typer.Option("--study", help="This study.", metavar="NAME")] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Write this page instead, which a browser keeps fresh.", metavar="FILE"),
    ] = None,
    every: Annotated[float, typer.Option("--every", min=0.2, max=600, help="Seconds between two looks.")] = 2,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
) -> None:
    """Show the curves of what runs here, until it ends or until Ctrl-C.

    Nothing is changed by it. Trainings are read from `.ferflow/tracking`, sweeps from `.ferflow/tuning`.
    Where nothing runs, what ended last is shown.
    """
    is_once = once or (page is None and not sys.stdout.isatty())
    found = workflows.watch.looks(is_sweep=sweep, study=study, every=every, once=is_once)
    if page is None:
        watching.terminal.show(found)
        return
    say(f"page: {page}")
    workflows.watch.keep_page(page, found, every=every)
