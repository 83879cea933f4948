"""The commands: `python -m pipelines compile|run|submit|status|retry|logs|schedules`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ferflow import paths
from ferflow.endings import exit_code_of
from ferflow.errors import ParamsError
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
    """Run the command line; however a command ends, it says so in one message."""
    sys.exit(exit_code_of(app))


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
    params: ParamsOption = paths.PARAMS,
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


@app.command()
def submit(
    pipeline: Pipeline = "training",
    config: ConfigOption = CONFIG,
    params: ParamsOption = paths.PARAMS,
    host: Annotated[str | None, typer.Option("--host", help="In place of server.host.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="In place of server.namespace.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="In place of server.experiment.")
    ] = None,
    image: Annotated[str | None, typer.Option("--image", help="In place of image.name.")] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", min=0, help="Of train and tune_worker; 0: on processors.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Of a sweep.")] = None,
    is_awaited: Annotated[bool, typer.Option("--wait", help="Wait until the run is over.")] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", min=1, help="Seconds to wait.")] = None,
    cron: Annotated[
        str | None,
        typer.Option("--schedule", metavar="CRON", help="Run it again and again: '0 3 * * 1', @daily."),
    ] = None,
) -> None:
    """Start the pipeline on the cluster, and print the link of its run."""
    from pipelines import submitting, waiting
    from pipelines.server import Cluster
    from pipelines.settings import changed, load_settings

    _check_name(pipeline)
    changes = {
        "server.host": host,
        "server.namespace": namespace,
        "server.experiment": experiment,
        "image.name": image,
        "steps.train.gpus": gpus,
        "steps.tune_worker.gpus": gpus,
        "sweep.workers": workers,
    }
    settings = changed(load_settings(config), changes)
    if cron is not None:
        if is_awaited:
            raise ParamsError("--schedule and --wait: only one of them; a schedule starts its runs later")
        made = submitting.schedule(pipeline, settings, _text(params), cron, tell=say)
        typer.echo(f"schedule {made.schedule_id}  {made.cron}  {made.name}")
        return
    started = submitting.submit(pipeline, settings, _text(params), tell=say)
    typer.echo(f"run {started.run_id}  {started.link}")
    if is_awaited:
        cluster = Cluster(settings.server)
        waiting.wait(cluster, started.run_id, say, settings=settings, timeout=timeout)
        typer.echo("succeeded")


@app.command()
def schedules(
    action: Annotated[str, typer.Argument(help="list, pause, resume or end.")] = "list",
    schedule_id: Annotated[str | None, typer.Argument(help="Of a schedule.")] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """List the recurring runs of the experiment; pause, resume or end one."""
    from pipelines.schedules import Schedules
    from pipelines.server import Cluster
    from pipelines.settings import load_settings

    if action not in ("list", "pause", "resume", "end"):
        raise ParamsError(f"schedules: {action!r} found, expected list, pause, resume or end")
    known = Schedules(Cluster(load_settings(config).server))
    if action != "list":
        if schedule_id is None:
            raise ParamsError(
                f"schedules {action}: give the schedule's id; 'python -m pipelines schedules' lists them"
            )
        known.change(action, schedule_id)
        typer.echo(f"schedule {schedule_id}: {action} done")
        return
    found = known.all()
    for entry in found:
        state = "on" if entry.is_on else "paused"
        typer.echo(f"{entry.schedule_id}  {state:<6}  {entry.cron:<16}  {entry.name}  {entry.error}".rstrip())
    if not found:
        say("no schedules yet; 'python -m pipelines submit --schedule CRON' makes one")


@app.command()
def status(
    run_id: Annotated[str | None, typer.Argument(help="Of a run; without it the newest runs.")] = None,
    config: ConfigOption = CONFIG,
    last: Annotated[int, typer.Option("--last", min=1, max=100, help="How many of the newest.")] = 10,
) -> None:
    """Say how a run and its steps stand, or list the newest runs."""
    from pipelines.server import Cluster
    from pipelines.settings import load_settings
    from pipelines.waiting import steps_of

    settings = load_settings(config)
    cluster = Cluster(settings.server)
    if run_id is None:
        runs = cluster.newest(last)
        for run in runs:
            typer.echo(f"{run.run_id}  {run.state:<10} {run.name}")
        if not runs:
            name = settings.server.experiment
            say(f"no runs in experiment {name} yet; 'python -m pipelines submit' starts one")
        return
    run = cluster.run(run_id)
    typer.echo(f"{run.name}: {run.state}  {run.link}")
    for _, label, task in steps_of(run):
        typer.echo(f"  {label:<20} {task.state or 'waits':<10} {task.error}".rstrip())


@app.command()
def retry(
    run_id: Annotated[str, typer.Argument(help="Of a run that failed.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Have a run that failed go on: steps that succeeded stay, and training goes on from its last epoch."""
    from pipelines.errors import PipelineError
    from pipelines.server import Cluster
    from pipelines.settings import load_settings

    cluster = Cluster(load_settings(config).server)
    run = cluster.run(run_id)
    if run.state != "FAILED":
        raise PipelineError(
            f"run {run_id} is {run.state.lower()}, expected failed: only such a run is retried"
        )
    cluster.retry(run_id)
    typer.echo(f"run {run_id} goes on  {run.link}")


@app.command()
def logs(
    run_id: Annotated[str, typer.Argument(help="Of the run.")],
    step: Annotated[
        str | None, typer.Argument(help="Such as train; without it those that failed, or else all.")
    ] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Print what the steps of a run printed."""
    from pipelines.errors import PipelineError
    from pipelines.logs import Pods
    from pipelines.server import Cluster
    from pipelines.settings import load_settings
    from pipelines.waiting import failed, steps_of

    settings = load_settings(config)
    cluster = Cluster(settings.server)
    run = cluster.run(run_id)
    pods = Pods(cluster, settings)
    there = list(dict.fromkeys(task.name for _, _, task in steps_of(run)))
    if step is not None and step.replace("_", "-") not in there:
        raise PipelineError(
            f"run {run_id} has no step {step!r}; its steps are {', '.join(there) or 'none yet'}"
        )
    wanted = [step.replace("_", "-")] if step else list(dict.fromkeys(task.name for task in failed(run)))
    found = [(name, pod) for name in wanted or there for pod in pods.names(run, name)]
    if not found:
        raise PipelineError(
            f"run {run_id}: the server does not tell the names of its pods; while they are there, "
            f"'{pods.commands(run_id)}' shows what they printed"
        )
    for name, pod in found:
        typer.echo(f"--- {name} ({pod})")
        typer.echo(pods.log(run_id, pod).rstrip())


def _check_name(pipeline: str) -> None:
    if pipeline not in NAMES:
        raise ParamsError(f"there is no pipeline {pipeline!r}; known are {', '.join(NAMES)}")


def _text(path: Path) -> str:
    """The text of a parameter file, checked.

    Raises:
        ParamsError: It is missing, or a key or value is wrong.
    """
    from ferflow.params import load_params, whole_text

    load_params(path)
    return whole_text(path)
