"""The command `ensemble`: several networks as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ferflow import paths

STAGE = "train"  # Whose results it replaces, so that the two do not run at the same time.

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def ensemble(
    members: Annotated[
        list[Path], typer.Argument(help="Networks (.keras), or probabilities (.npz).", metavar="FILE...")
    ],
    view: Annotated[
        str, typer.Option("--view", help="Of .npz files: which probabilities.", metavar="VIEW")
    ] = "ten_crop",
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file.", metavar="FILE")
    ] = paths.PARAMS,
) -> None:
    """Make one model of several: the mean of their probabilities.

    Networks become models/model.keras, and `ferflow evaluate`, `register` and `export` go on with it; an
    answer costs the sum of theirs. Files of probabilities (.npz) are scored, and nothing is written.
    """
    from ferflow.errors import ModelError
    from ferflow.stages import ensemble as stage

    stored = [path.suffix == ".npz" for path in members]
    if any(stored) and not all(stored):
        raise ModelError(
            f"{members[stored.index(False)]}: a network among files of probabilities; give .keras files "
            "only, or .npz files only"
        )
    if all(stored):
        for scores in stage.score_stored(members, view=view, split_dir=paths.SPLIT):
            clean = scores.leak_free_accuracy
            typer.echo(
                f"{scores.name}: validation {scores.val_accuracy:.2%}, test {scores.test_accuracy:.2%}, "
                f"leak-free {'no images' if clean is None else f'{clean:.2%}'}"
            )
        return
    _write(members, params)


def _write(members: list[Path], params: Path) -> None:
    from ferflow.locks import stage_lock
    from ferflow.params import load_params
    from ferflow.progress import say
    from ferflow.stages import ensemble as stage

    values = load_params(params)
    with stage_lock(STAGE, directory=paths.LOCKS, on_wait=say):
        report = stage.write_ensemble(
            members, values, split_dir=paths.SPLIT, model_path=paths.MODEL, reports_dir=paths.REPORTS
        )
    for member in report.members:
        typer.echo(f"{member.file}: validation {member.val_accuracy:.2%}")
    typer.echo(
        f"mean: validation {report.val_accuracy:.2%}, {report.parameters['total']:,} parameters, in "
        f"{paths.MODEL}; next: ferflow evaluate, then ferflow register"
    )
