"""Commands on tracked runs: `register`, `registry`, `compare` and `ui`; part of `ferflow.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow import layout

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ferflow.tracking.tracked_run import TrackedRun

ROOT = Path()

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
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file.", metavar="FILE")
    ] = layout.PARAMS,
) -> None:
    """Register a run's model; the gate decides whether it becomes champion.

    It does if every class is found often enough (`registry.class_floor`) and, on the same test set,
    McNemar's test on the leak-free images calls it better than the champion, or not different at a
    lower cost. The same model registered twice is one version.
    """
    from ferflow.params import load_params
    from ferflow.tracking.gate import Rules
    from ferflow.tracking.registry import register as register_run
    from ferflow.tracking.store import client, experiment_id

    rules = Rules(**load_params(params).registry.model_dump())
    store = client(ROOT)
    registration = register_run(store, _run_of(store, experiment_id(store), run), rules, is_forced=force)
    state = "registered as" if registration.is_new else "is"
    typer.echo(f"run {registration.run.label} {state} version {registration.version}")
    typer.echo(registration.description)
    champion = registration.champion
    typer.echo(f"champion: version {champion}" if champion else "champion: none yet")


@commands.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of 127.0.0.1.")] = 5000,
) -> None:
    """Open MLflow's own pages on the store, for this machine alone, until Ctrl-C.

    The address that is printed opens the table of runs with columns that say which run is better and why.
    """
    from ferflow.progress import say
    from ferflow.tracking.ui import serve

    say("starting MLflow's server; that takes some seconds")
    serve(ROOT, port=port, on_ready=lambda address: typer.echo(f"{address}  (Ctrl-C ends it)"))


@registry_app.command("list")
def list_versions() -> None:
    """Print the versions, newest first, with what the gate said of each."""
    from ferflow.tracking.aliases import version_table
    from ferflow.tracking.store import client

    typer.echo(version_table(client(ROOT)))


@registry_app.command("rollback")
def rollback() -> None:
    """Make the version champion that was before the present one."""
    from ferflow.tracking.aliases import rollback as roll_back
    from ferflow.tracking.registry import registry_lock
    from ferflow.tracking.store import client

    store = client(ROOT)
    with registry_lock(store):
        done = roll_back(store)
    typer.echo(f"champion: version {done.champion} (was version {done.former})")


def _run_of(store: MlflowClient, experiment: str, wanted: str | None) -> TrackedRun:
    """The run that the user names, or the one whose figures lie in `reports/`."""
    from ferflow.errors import TrackingError
    from ferflow.reporting.outline import read_report
    from ferflow.tracking.tracked_run import find_run, run_of_training

    if wanted is not None:
        return find_run(store, experiment, wanted)
    path = layout.REPORTS / "train.json"
    report = read_report(path)
    if report is None:
        raise TrackingError(f"{path}: not found; run 'dvc repro' first, or name a run")
    found = run_of_training(store, experiment, str(report.get("run", "")))
    if found is None:
        raise TrackingError(
            f"{path}: no finished run of this training is in the store; run 'ferflow track sync' and "
            "'ferflow evaluate', or name a run"
        )
    return found
