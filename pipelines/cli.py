"""The commands: `python -m pipelines compile|run|submit|status|logs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ferflow import layout
from ferflow.errors import FerflowError, ParamsError
from ferflow.progress import say
from pipelines.settings import CONFIG

app = typer.Typer(
    name="pipelines",
    help="Kubeflow pipelines: compile them, run them here, submit them to a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
NAMES = ("training", "sweep")

Pipeline = Annotated[str, typer.Argument(help="training or sweep.", metavar="PIPELINE")]
ConfigOption = Annotated[Path, typer.Option("--config", help="Settings of the cluster.", metavar="FILE")]
ParamsOption = Annotated[Path, typer.Option("--params", help="The parameter file.", metavar="FILE")]


def main() -> None:
    """Run the command line; a user's error is one message and exit code 1."""
    try:
        app()
    except FerflowError as error:
        say(f"error: {error}")
        sys.exit(1)


@app.command("compile")
def compile_all(
    config: ConfigOption = CONFIG,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder; pipelines/compiled without it.", metavar="DIR")
    ] = None,
) -> None:
    """Write the YAML of both pipelines."""
    from pipelines.compiling import COMPILED, write_compiled
    from pipelines.settings import load_settings

    for path in write_compiled(load_settings(config), output or COMPILED):
        typer.echo(str(path))


@app.command()
def run(
    pipeline: Pipeline = "training",
    config: ConfigOption = CONFIG,
    params: ParamsOption = layout.PARAMS,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Workers of a sweep; 2 without it.")
    ] = None,
) -> None:
    """Run the real pipeline on this machine, step by step, with kfp's local runner."""
    from pipelines.local_run import run_here, tell
    from pipelines.settings import load_settings

    _check_name(pipeline)
    settings = load_settings(config)
    sweep = settings.sweep.model_copy(update={"workers": workers or 2})
    done = run_here(pipeline, settings.model_copy(update={"sweep": sweep}), _text(params))
    tell(done)


def _check_name(pipeline: str) -> None:
    if pipeline not in NAMES:
        raise ParamsError(f"there is no pipeline {pipeline!r}; known are {', '.join(NAMES)}")


def _text(path: Path) -> str:
    """The text of a parameter file, checked.

    Raises:
        ParamsError: It is missing, or a key or value is wrong.
    """
    from ferflow.params import load_params

    load_params(path)
    return path.read_text(encoding="utf-8")
