"""Command `tune`: the sweep over parameters."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow import paths

if TYPE_CHECKING:
    from ferflow.params import Params
    from ferflow.tuning.results import Row
    from ferflow.tuning.sweep import Plan, Summary

commands = typer.Typer()


@commands.command()
def tune(
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Trials of the study, earlier ones among them.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds that this command may take.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Trials at the same time.")] = None,
    until: Annotated[
        float | None, typer.Option("--until", min=0, max=1, help="Stop at this validation accuracy.")
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="Name of the study.")] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="postgresql://..., or the path of a .db or .journal file."),
    ] = None,
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Write the best values into the parameter file.")
    ] = False,
    apply_to: Annotated[
        Path | None, typer.Option("--apply-to", metavar="FILE", help="Write them into this profile instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file.", metavar="FILE")
    ] = paths.PARAMS,
) -> None:
    """Search for better parameters (section `tune`); the same command again goes on where it was.

    Trials are scored on the validation images, never on the test images. The first one is the parameter
    file's own setting. Run `dvc repro` after `--apply` to train and score the winner.
    """
    from ferflow.data.subsets import load_subset
    from ferflow.params import load_params
    from ferflow.tuning.apply import apply_best
    from ferflow.tuning.report import FOLDER, write_report
    from ferflow.tuning.storage import DEFAULT, parse_address
    from ferflow.tuning.study import Budget
    from ferflow.tuning.sweep import Plan, run

    values = load_params(params)
    plan = Plan(
        params=values,
        origin=str(params),
        train=train_once,
        identity=_identity(),
        address=parse_address(storage or str(DEFAULT)),
        budget=Budget(trials or values.tune.trials, until),
        jobs=jobs or values.tune.jobs,
        timeout=timeout or values.tune.timeout,
        study=study,
    )
    summary, found = run(plan)
    target = apply_to or (params if is_applied else None)
    if not summary.is_stopped:
        rows, shares = write_report(
            paths.REPORTS / FOLDER,
            summary,
            found,
            params=values,
            origin=str(params),
            num_validation=len(load_subset(paths.SPLIT / "val.npz").labels),
        )
        _track(summary, str(found.user_attrs["token"]), rows, shares, values)
    if target is not None and not summary.is_stopped:
        apply_best(summary, target)
    _print(summary, plan, applied_to=None if summary.is_stopped else target, as_json=as_json)
    if summary.is_stopped:
        raise typer.Exit(128 + signal.Signals[summary.ended_by])


def train_once(params: Params, checkpoint_dir: Path, on_epoch: Callable[[dict[str, float]], None]) -> float:
    """Train as the stage `train` does, without keeping the network; a trial of a sweep.

    Args:
        params: The parameters.
        checkpoint_dir: Where each epoch's state is kept.
        on_epoch: Called with the history row of each epoch.

    Returns:
        The best validation accuracy.

    Raises:
        DataError: The split is missing or damaged.
        ModelError: The network cannot be built or trained.
        OutputError: A checkpoint cannot be written.
    """
    from ferflow.data.subsets import load_subset

    training, validation = (load_subset(paths.SPLIT / f"{name}.npz") for name in ("train", "val"))
    from ferflow.model.backend import set_up_process
    from ferflow.model.checkpoint import CheckpointStore
    from ferflow.model.network import build_network
    from ferflow.model.training import train_network

    set_up_process(params.seed, params.train.precision, params.train.devices)
    state = train_network(
        build_network(params.model),
        training,
        validation,
        params=params,
        checkpoints=CheckpointStore(checkpoint_dir, "trial"),
        on_epoch=on_epoch,
    )
    return state.best_accuracy


def _track(summary: Summary, token: str, rows: list[Row], shares: dict[str, float], params: Params) -> None:
    """Bring the study to the tracking store, unless tracking is off."""
    from ferflow.tracking import lineage
    from ferflow.tracking.outbox.recording import is_on
    from ferflow.tracking.outbox.sweep_runs import TAG_RETRY_OF, SweepRun, TrialRun, track_sweep
    from ferflow.tuning import tracked, words
    from ferflow.tuning.report import FOLDER

    if not is_on():
        return
    sweep = SweepRun(
        name=summary.study,
        token=token,
        description=f"{words.what_won(summary, rows, None)} {words.what_was_tried(summary)}",
        params=tracked.study_params(params),
        metrics=tracked.study_metrics(summary, shares),
        tags=lineage.tags(Path(), params, lineage.STAGES_TO_TRAIN[:-1]),
        report=paths.REPORTS / FOLDER,
    )
    trials = [
        TrialRun(
            number=row.number,
            state=row.state,
            started=row.started or row.ended or 0,
            ended=row.ended or 0,
            params=tracked.trial_params(row),
            curve=row.curve,
            value=row.value,
            reason=row.reason,
            tags={} if row.retry_of is None else {TAG_RETRY_OF: str(row.retry_of)},
        )
        for row in tracked.over(rows)
    ]
    track_sweep(Path(), sweep, trials)


def _identity() -> dict[str, str]:
    """What trials depend on besides the parameters: the images and the code that trains.

    Raises:
        DataError: There is no split yet.
    """
    import hashlib

    from ferflow.data.subsets import load_subset
    from ferflow.files import sha256_of
    from ferflow.stages.train import code_digest

    found = {}
    for name in ("train", "val"):
        path = paths.SPLIT / f"{name}.npz"
        load_subset(path)
        found[f"{name}.npz"] = sha256_of(path)
    return {"data": hashlib.sha256(json.dumps(found).encode()).hexdigest(), "code": code_digest()}


def _print(summary: Summary, plan: Plan, *, applied_to: Path | None, as_json: bool) -> None:
    from ferflow.progress import duration
    from ferflow.tuning.display import shown
    from ferflow.tuning.report import FOLDER

    tally = summary.tally
    typer.echo(f"study      {summary.study} in {summary.storage}")
    typer.echo(f"trials     {tally.shown}; ended by {summary.ended_by} after {duration(summary.seconds)}")
    typer.echo(f"epochs     {tally.epochs_spent} spent, {tally.epochs_saved} saved by pruning")
    if summary.best_value is not None:
        typer.echo(
            f"best       {summary.best_value:.4f} by trial {summary.best_trial}: {shown(summary.best_params)}"
        )
    if not summary.is_stopped:
        typer.echo(f"report     {paths.REPORTS / FOLDER / 'index.html'}")
    if applied_to is not None:
        typer.echo(f"applied    to {applied_to}; 'dvc repro' trains and scores it")
    elif summary.best_value is not None:
        typer.echo("           'ferflow tune --apply' writes these values into the parameter file")
    if summary.is_stopped or summary.ended_by == "timeout":
        typer.echo("           the same command goes on with this study")
    if as_json:
        applied = None if applied_to is None else str(applied_to)
        typer.echo(json.dumps({**summary.to_json(), "applied_to": applied, "jobs": plan.jobs}))
