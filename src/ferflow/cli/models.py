"""The command `models`: what can answer here, with figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow import workflows
from ferflow.errors import ModelError
from ferflow.progress import say

if TYPE_CHECKING:
    from ferflow.workflows.models import Listed

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def models(
    export: Annotated[
        Path | None,
        typer.Option("--export", help="What `ferflow export` wrote, listed as well.", metavar="FOLDER"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that can answer here, with their figures, and say which one does.

    That is the folder of --export, else export/ where there is one, else the built-in network. Registered
    versions answer once `ferflow export` wrote them. Exit code 1 if the one that would answer is damaged.
    """
    report = workflows.models.models(export)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        for line in _table(report.listed):
            typer.echo(line)
        if report.detector is not None:
            typer.echo(f"face detector: {report.detector}")
    if report.registry_error is not None:
        say(f"warning: registered versions are not listed: {report.registry_error}")
    if report.chosen.error:
        raise ModelError(report.chosen.error)


def _table(listed: Sequence[Listed]) -> list[str]:
    rows = [["", "model", "where", "accuracy", "leak-free", "trained on"]]
    for model in listed:
        name = model.name or "damaged"
        name += f" version {model.version}" if model.version else ""
        where = "built-in" if model.source == "built-in" else model.place or model.source
        where += f" ({model.alias})" if model.alias else ""
        figures = [_percent(model.accuracy), _percent(model.leak_free_accuracy)]
        rows.append(["answers" if model.answers else "", name, where, *figures, model.trained_on or "-"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines += [f"{model.place}: {model.warning}" for model in listed if model.warning]
    lines += [f"error: {model.error}" for model in listed if model.error and not model.answers]
    if any(model.source == "registered" for model in listed):
        lines.append("registered versions answer once 'ferflow export' wrote them into export/")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
