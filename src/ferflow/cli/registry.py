"""Commands on tracked runs: `register`, `registry`, `compare` and `ui`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow import paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ferflow.params import Params
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
    ] = paths.PARAMS,
) -> None:
    """Register a run's model; the gate decides whether it becomes champion.

    It does if every class is found often enough (`registry.class_floor`) and, on the same test set,
    McNemar's test on the leak-free images calls it better than the champion, or not different at a
    lower cost. The same model registered twice is one version.
    """
    from ferflow.params import load_params
    from ferflow.tracking.registry.gate import Rules
    from ferflow.tracking.registry.registry import register as register_run
    from ferflow.tracking.store import experiment_id

    values = load_params(params)
    rules = Rules(**values.registry.model_dump())
    store = _open_store()
    registration = register_run(
        store, _run_of(store, experiment_id(store), run, values), rules, is_forced=force
    )
    state = "registered as" if registration.is_new else "is"
    typer.echo(f"run {registration.run.label} {state} version {registration.version}")
    typer.echo(registration.description)
    champion = registration.champion
    typer.echo(f"champion: version {champion}" if champion else "champion: none yet")


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
    from ferflow.tracking.comparison.compare import compare as compare_runs
    from ferflow.tracking.comparison.compare import in_text
    from ferflow.tracking.comparison.compare_page import write_comparison
    from ferflow.tracking.comparison.compared_run import load_runs
    from ferflow.tracking.store import experiment_id
    from ferflow.tracking.tracked_run import find_run, newest_runs

    store = _open_store()
    experiment = experiment_id(store)
    chosen = (
        [find_run(store, experiment, run) for run in runs]
        if runs
        else newest_runs(store, experiment, number=last)
    )
    comparison = compare_runs(load_runs(store, chosen))
    write_comparison(output, comparison)
    typer.echo(in_text(comparison))
    typer.echo(f"\npage: {output}")


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
    from ferflow.tracking.registry.aliases import version_table

    typer.echo(version_table(_open_store()))


@registry_app.command("rollback")
def rollback() -> None:
    """Make the version champion that was before the present one."""
    from ferflow.tracking.registry.aliases import rollback as roll_back
    from ferflow.tracking.registry.registry_lock import registry_lock

    store = _open_store()
    with registry_lock(store) as guard:
        done = roll_back(store, guard)
    typer.echo(f"champion: version {done.champion} (was version {done.former})")


def _open_store() -> MlflowClient:
    """A client of the store; an embedded one must be there, so that none is made in a wrong folder."""
    from ferflow.errors import TrackingError
    from ferflow.tracking.store import DATABASE, client

    if not os.environ.get("MLFLOW_TRACKING_URI") and not (ROOT / DATABASE).is_file():
        raise TrackingError(
            f"{ROOT / DATABASE}: not found, so no run is tracked here yet; run 'dvc repro' first, "
            "or go to the repository's folder, or set MLFLOW_TRACKING_URI"
        )
    return client(ROOT)


def _run_of(store: MlflowClient, experiment: str, wanted: str | None, params: Params) -> TrackedRun:
    """The run that the user names, or the one whose figures lie in `reports/`."""
    from ferflow.errors import TrackingError
    from ferflow.reporting.outline import read_report
    from ferflow.tracking.outbox.recording import is_on
    from ferflow.tracking.outbox.scoring import send_reports
    from ferflow.tracking.tracked_run import find_run, get_run, run_of_training

    if wanted is not None:
        return find_run(store, experiment, wanted)
    if is_on() and paths.MODEL.is_file():
        return get_run(store, send_reports(ROOT, params))
    path = paths.REPORTS / "train.json"
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
