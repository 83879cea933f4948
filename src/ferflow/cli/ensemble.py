"""The command `ensemble`: several networks as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption
from ferflow.errors import ModelError

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def ensemble(
    members: Annotated[
        list[Path], typer.Argument(help="Networks (.keras), or probabilities (.npz).", metavar="FILE...")
    ],
    view: Annotated[
        str, typer.Option("--view", help="Of .npz files: which probabilities.", metavar="VIEW")
    ] = "ten_crop",
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Make one model of several: the mean of their probabilities.

    Networks become models/model.keras, and `ferflow evaluate`, `register` and `export` go on with it; an
    answer costs the sum of theirs. Files of probabilities (.npz) are scored, and nothing is written.
    """
    stored = [path.suffix == ".npz" for path in members]
    if any(stored) and not all(stored):
        raise ModelError(
            f"{members[stored.index(False)]}: a network among files of probabilities; give .keras files "
            "only, or .npz files only"
        )
    if all(stored):
        for scores in workflows.ensemble.score_stored(members, view=view):
            clean = scores.leak_free_accuracy
            typer.echo(
                f"{scores.name}: validation {scores.val_accuracy:.2%}, test {scores.test_accuracy:.2%}, "
                f"leak-free {'no images' if clean is None else f'{clean:.2%}'}"
            )
        return
    report = workflows.ensemble.ensemble(members, ferflow.load_params(params))
    for member in report.members:
        typer.echo(f"{member.file}: validation {member.val_accuracy:.2%}")
    typer.echo(
        f"mean: validation {report.val_accuracy:.2%}, {report.parameters['total']:,} parameters, in "
        f"{paths.MODEL}; next: ferflow evaluate, then ferflow register"
    )
