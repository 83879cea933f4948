"""Commands on the journals of runs: `track sync` and `track status`."""

from __future__ import annotations

import typer

from ferflow import workflows

commands = typer.Typer()
track = typer.Typer(
    help="Look at the runs that are written here, and send those that no store has yet.", no_args_is_help=True
)
commands.add_typer(track, name="track")


@track.command()
def sync() -> None:
    """Send every run that the MLflow store does not have yet, each exactly once.

    The store is the one that `MLFLOW_TRACKING_URI` names, else `mlruns/mlflow.db`. It is asked what it has;
    runs of the project's own store are sent to another one as well. Runs whose process was killed are closed
    as KILLED. Exit code 1 if a run could not be sent.
    """
    report = workflows.runs.sync()
    found, place = report.found, report.place
    for key in found.sent:
        typer.echo(f"{key}  sent to {place}")
    for key, reason in found.failed.items():
        typer.echo(f"{key}  not sent: {reason}")
    for key, other in found.elsewhere.items():
        typer.echo(
            f"{key}  not sent: only {other} has its files; set MLFLOW_TRACKING_URI to that store to use it"
        )
    if not report.is_whole:
        raise typer.Exit(1)
    if not found.sent:
        typer.echo(
            f"nothing to send: {place} has all {found.num_there} runs that are written here"
            if found.num_there
            else f"nothing to send: no run that ended is written here; {place} was reached"
        )


@track.command()
def status() -> None:
    """List the runs that are written here, oldest first, and where they were sent."""
    found = workflows.runs.statuses()
    for run in found:
        place = f"{run.place} {run.run_id[:8]}" if run.run_id else "no store"
        sent = "sent to" if run.is_sent else "not whole in" if run.run_id else "waits, in"
        typer.echo(f"{run.key}  {run.state:<9}  {run.name}  {sent} {place}")
    if not found:
        typer.echo("no run is written here; 'dvc repro' makes one")
