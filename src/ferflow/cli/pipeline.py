"""Command `pipeline`: `python -m pipelines`, where the repository is at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from ferflow.errors import ParamsError

PACKAGE = Path("pipelines/__main__.py")

commands = typer.Typer()


@commands.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def pipeline(context: typer.Context) -> None:
    """Kubeflow pipelines: compile, run, submit, status, retry, logs; `ferflow pipeline --help` says more."""
    # A process of its own: the wiring is no part of this package, and knows it, not the other way round.
    if not PACKAGE.is_file():
        raise ParamsError(
            f"{PACKAGE}: not found; the pipelines are in the repository, not in the installed package: go to "
            "its folder"
        )
    done = subprocess.run([sys.executable, "-m", "pipelines", *context.args], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
