"""The command line: `ferflow <stage>`, `profile`, `model summary`, `summary` and `doctor`.

Every other group of commands is a module beside this one.

Heavy imports stand inside the commands, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ferflow import paths
from ferflow.cli import (
    ensemble,
    explain,
    export,
    insight,
    inspect,
    models,
    pipeline,
    predict,
    registry,
    serve,
    tracking,
    tune,
)
from ferflow.cli.model_options import ExportOption
from ferflow.endings import exit_code_of
from ferflow.progress import say

if TYPE_CHECKING:
    from ferflow.params import Params

app = typer.Typer(
    name="ferflow",
    help="Reproducible facial emotion recognition on FER-2013.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
model_app = typer.Typer(help="Look at the network.", no_args_is_help=True)
app.add_typer(model_app, name="model")
app.add_typer(registry.commands)
app.add_typer(tune.commands)
app.add_typer(tracking.commands, name="track")
app.add_typer(pipeline.commands)
app.add_typer(ensemble.commands)
app.add_typer(export.commands)
app.add_typer(predict.commands)
app.add_typer(models.commands)
app.add_typer(explain.commands)
app.add_typer(insight.commands)
app.add_typer(inspect.commands)
app.add_typer(serve.commands)

ParamsOption = Annotated[Path, typer.Option("--params", help="The parameter file.", metavar="FILE")]
_STAGES = "Pipeline stages, in order (dvc repro runs them)"


def main() -> None:
    """Run the command line; however a command ends, it says so in one message."""
    sys.exit(exit_code_of(app))


def _version(wanted: bool) -> None:
    if wanted:
        from ferflow.version import version

        typer.echo(f"ferflow {version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command(rich_help_panel=_STAGES)
def download(
    params: ParamsOption = paths.PARAMS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print how the source would be read; write nothing.")
    ] = False,
) -> None:
    """Decode, check and index the images of the source; bring the face detector."""
    from ferflow.params import load_params
    from ferflow.stages import download as stage

    values = load_params(params)
    if dry_run:
        inspect.print_dry_run(values.download)
        return
    with _running("download", values, params):
        stage.run(
            values.download,
            seed=values.seed,
            output_dir=paths.RAW,
            report_path=paths.REPORTS / "download.json",
        )


@app.command(rich_help_panel=_STAGES)
def face_filter(params: ParamsOption = paths.PARAMS) -> None:
    """Drop the images that show no face."""
    from ferflow.params import load_params
    from ferflow.stages import face_filter as stage

    values = load_params(params)
    with _running("face-filter", values, params):
        stage.run(values.face_filter, raw_dir=paths.RAW, output_dir=paths.FILTERED, reports_dir=paths.REPORTS)


@app.command(rich_help_panel=_STAGES)
def split(params: ParamsOption = paths.PARAMS) -> None:
    """Find duplicates and share the images out to train, validation and test."""
    from ferflow.params import load_params
    from ferflow.stages import split as stage

    values = load_params(params)
    with _running("split", values, params):
        stage.run(
            values.split,
            seed=values.seed,
            raw_dir=paths.RAW,
            filtered_dir=paths.FILTERED,
            output_dir=paths.SPLIT,
            reports_dir=paths.REPORTS,
        )


@app.command(rich_help_panel=_STAGES)
def train(params: ParamsOption = paths.PARAMS) -> None:
    """Train the network; a stopped run goes on from its last epoch."""
    from ferflow.params import load_params
    from ferflow.stages import train as stage
    from ferflow.tracking.outbox.recording import recorded_training

    values = load_params(params)
    with _running("train", values, params), recorded_training(Path(), values) as on_epoch:
        stage.run(
            values,
            split_dir=paths.SPLIT,
            model_path=paths.MODEL,
            reports_dir=paths.REPORTS,
            checkpoint_dir=paths.CHECKPOINTS,
            on_epoch=on_epoch,
        )


@app.command(rich_help_panel=_STAGES)
def evaluate(
    params: ParamsOption = paths.PARAMS,
    data: Annotated[
        Path | None, typer.Option("--data", help="Score this folder of class subfolders.", metavar="DIR")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="Count a class as an emotion; 'NAME=' leaves it out.", metavar="NAME=EMOTION"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Results go to reports/cross/NAME.", metavar="NAME")
    ] = None,
    export: ExportOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="Score a .keras file instead, such as models/model.keras.", metavar="FILE"
        ),
    ] = None,
    faces: Annotated[
        Literal["whole", "crop"],
        typer.Option("--faces", help="Pictures are cut-out faces, or the largest face is looked for."),
    ] = "whole",
    max_bad_share: Annotated[
        float, typer.Option("--max-bad-share", min=0, max=1, help="Share of images that may be unreadable.")
    ] = 0.05,
) -> None:
    """Score the test images once, with and without those that have a copy in train or val.

    With --data: any folder whose subfolders are classes, such as CK+, JAFFE or photos of your own.
    """
    from ferflow.cli import evaluate
    from ferflow.params import load_params
    from ferflow.params.scoring import scoring_params
    from ferflow.stages import evaluate as stage
    from ferflow.tracking.outbox.scoring import record_evaluation

    evaluate.check_options(data, map=mapping, name=name, export=export, model=model, faces=faces == "crop")
    if data is not None:
        scoring = scoring_params(params)
        target = evaluate.output_dir_of(data, name)
        reader = evaluate.open_reader(export, model, scoring.evaluate)
        with _locked("evaluate-folder"):
            report = evaluate.evaluate_folder(
                scoring,
                data,
                mapping=mapping or [],
                output_dir=target,
                reader=reader,
                faces=faces,
                max_bad_share=max_bad_share,
            )
        typer.echo(evaluate.describe(report, target, model=reader.name))
        return
    values = load_params(params)
    with _running("evaluate", values, params):
        stage.run(values.evaluate, split_dir=paths.SPLIT, model_path=paths.MODEL, reports_dir=paths.REPORTS)
        record_evaluation(Path(), values)


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="sample, cpu, paper or best.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one key, such as train.epochs=3. Repeatable."
        ),
    ] = None,
) -> None:
    """Write params.yaml from a profile."""
    from ferflow.profiles import write_profile

    backup = write_profile(name, changes or [], profiles=paths.PROFILES, target=paths.PARAMS)
    if backup is not None:
        typer.echo(f"{paths.PARAMS} held other values than a profile; they are kept in {backup}")
    typer.echo(f"{paths.PARAMS} now holds profile {name}; run 'dvc repro'")


@model_app.command("summary")
def model_summary(
    name: Annotated[
        str | None, typer.Option("--profile", help="A profile; without it params.yaml is used.")
    ] = None,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Print how many parameters the network has: total, trainable and frozen."""
    from ferflow.model.network import parameter_counts
    from ferflow.params import load_params
    from ferflow.profiles import load_profile

    values = load_profile(name, profiles=paths.PROFILES) if name else load_params(params)
    counts = parameter_counts(values.model)
    for kind, number in counts._asdict().items():
        typer.echo(f"{kind:<10}{number:>12,}")


@app.command()
def summary(params: ParamsOption = paths.PARAMS) -> None:
    """Print the figures of the last run and where to look next."""
    from ferflow.params import load_params
    from ferflow.reporting.summary import summarise

    typer.echo(summarise(paths.REPORTS, load_params(params)))


@app.command()
def doctor(params: ParamsOption = paths.PARAMS) -> None:
    """Check this machine and say the cure for each problem; exit code 1 if there is one."""
    from ferflow.doctor import check_machine

    checks = check_machine(params)
    for check in checks:
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.subject:<10} {check.finding}")
        if not check.passed:
            typer.echo(f"      {'':<10} cure: {check.cure}")
    if not all(check.passed for check in checks):
        raise typer.Exit(1)


@contextmanager
def _running(stage: str, values: Params, params: Path) -> Iterator[None]:
    """Hold the lock of a stage of the pipeline, and see that it only replaces what it began with."""
    from ferflow.files import checking
    from ferflow.stages.started import Started

    with _locked(stage), checking(Started(stage, values, params).check):
        yield


@contextmanager
def _locked(stage: str) -> Iterator[None]:
    from ferflow.locks import stage_lock

    with stage_lock(stage, directory=paths.LOCKS, on_wait=say):
        yield
