"""Commands on tracked runs: `register`, `registry`, `compare` and `ui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption
from ferflow.progress import say

commands = typer.Typer()
registry_app = typer.Typer(
    help="Look at the registered versions, and take a promotion back.", no_args_is_help=True
)
commands.add_typer(registry_app, name="registry")


@commands.command()
def register(
    run: Annotated[
        str | None,
        typer.Argument(help="Id, first digits or name of a run; without it the run of `reports/`."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make it champion whatever the gate says; that is recorded.")
    ] = False,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Register a run's model; the gate decides whether it becomes champion.

    It does if every class is found often enough (`registry.class_floor`) and, on the same test set,
    McNemar's test on the leak-free images calls it better than the champion, or not different at a
    lower cost. The same model registered twice is one version.
    """
    registration = workflows.register.register(ferflow.load_params(params), run=run, force=force)
    for line in workflows.register.in_words(registration):
        typer.echo(line)


@commands.command()
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Ids, first digits or names of runs; without any the newest ones.", metavar="RUN"
        ),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=2, max=10, help="How many of the newest runs.")] = 4,
    output: Annotated[
        Path, typer.Option("--output", help="The page that is written.", metavar="FILE")
    ] = paths.REPORTS / "compare" / "index.html",
) -> None:
    """Put runs beside each other: parameters that differ, figures with intervals, which one is better.

    Writes a page with learning curves and differences of confusions, too.
    """
    report = workflows.compare.compare(runs or (), last=last, output=output)
    typer.echo(report.text)
    typer.echo(f"\npage: {report.page}")


@commands.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of 127.0.0.1.")] = 5000,
) -> None:
    """Open MLflow's own pages on the store, for this machine alone, until Ctrl-C.

    The address that is printed opens the table of runs with columns that say which run is better and why.
    """
    say("starting MLflow's server; that takes some seconds")
    workflows.runs.show_pages(port=port, on_ready=lambda address: typer.echo(f"{address}  (Ctrl-C ends it)"))


@registry_app.command("list")
def list_versions() -> None:
    """Print the versions, newest first, with what the gate said of each."""
    typer.echo(workflows.versions.table())


@registry_app.command("rollback")
def rollback() -> None:
    """Make the version champion that was before the present one."""
    done = workflows.versions.rollback()
    typer.echo(f"champion: version {done.champion} (was version {done.former})")
