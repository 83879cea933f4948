"""The command `doctor`: whether this machine can run the pipeline."""

from __future__ import annotations

import typer

from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption

commands = typer.Typer()


@commands.command()
def doctor(params: ParamsOption = paths.PARAMS) -> None:
    """Check this machine and say the cure for each problem; exit code 1 if there is one."""
    checks = workflows.machine.check_machine(params)
    for check in checks:
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.subject:<10} {check.finding}")
        if not check.passed:
            typer.echo(f"      {'':<10} cure: {check.cure}")
    if not all(check.passed for check in checks):
        raise typer.Exit(1)
