"""Commands on the journals of runs: `track sync` and `track status`; part of `ferflow.cli`."""

from __future__ import annotations

from pathlib import Path

import typer

ROOT = Path()

commands = typer.Typer(
    help="Look at the runs that are written here, and send those that no store has yet.", no_args_is_help=True
)


@commands.command()
def sync() -> None:
    """Send every run that the MLflow store does not have yet, each exactly once.

    The store is the one that `MLFLOW_TRACKING_URI` names, else `mlruns/mlflow.db`. Runs whose process was
    killed are closed as KILLED. Exit code 1 if a run could not be sent.
    """
    from ferflow.tracking.store import shown, tracking_uri
    from ferflow.tracking.sync import sync as send_all

    sent, failed = send_all(ROOT)
    place = shown(tracking_uri(ROOT))
    for key in sent:
        typer.echo(f"{key}  sent to {place}")
    for key, reason in failed.items():
        typer.echo(f"{key}  not sent: {reason}")
    if not sent and not failed:
        typer.echo(f"nothing to send: {place} has every run")
    if failed:
        raise typer.Exit(1)


@commands.command()
def status() -> None:
    """List the runs that are written here, oldest first, and where they were sent."""
    from ferflow.tracking.sync import statuses

    found = statuses(ROOT)
    for run in found:
        place = f"{run.place} {run.run_id[:8]}" if run.run_id else "no store"
        sent = "sent to" if run.is_sent else "not whole in" if run.run_id else "waits, in"
        typer.echo(f"{run.key}  {run.state:<9}  {run.name}  {sent} {place}")
    if not found:
        typer.echo("no run is written here; 'dvc repro' makes one")
