"""`ferflow inspect`, and what `ferflow download --dry-run` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import ferflow
from ferflow import paths, workflows

if TYPE_CHECKING:
    from ferflow.params import DownloadParams

commands = typer.Typer()


@commands.command("inspect")
def inspect_path(
    path: Annotated[Path, typer.Argument(help="A folder, an archive or a table.", metavar="PATH")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="As download.map: NAME=EMOTION, NAME=SUBSET or NAME=.", metavar="ENTRY"),
    ] = None,
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file, for its bounds.", metavar="FILE")
    ] = paths.PARAMS,
) -> None:
    """Print how a path would be read as images: subsets, classes, counts, odd files, and the line to type."""
    _print(path, ferflow.load_params(params).download, mapping or [])


def print_dry_run(params: DownloadParams) -> None:
    """Print how the source of the parameters would be read; nothing is written."""
    if params.path is None:
        typer.echo(f"download.source {params.source}: has no path to look at; run 'ferflow download'")
        return
    _print(Path(params.path), params, params.map)


def _print(path: Path, bounds: DownloadParams, entries: list[str]) -> None:
    typer.echo(workflows.inspect.inspect(path, bounds, entries=entries).text)
