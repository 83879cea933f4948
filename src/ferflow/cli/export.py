"""The command `export`: a model as a folder that answers without Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import ferflow
from ferflow import paths, workflows
from ferflow.cli.options import ParamsOption

if TYPE_CHECKING:
    from ferflow.serving.export_folder import Description

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def export(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="champion, challenger, the number of a registered version, or the path of a .keras file.",
            metavar="MODEL",
        ),
    ] = "champion",
    folder: Annotated[
        Path, typer.Option("--folder", help="The folder that is written.", metavar="FOLDER")
    ] = paths.EXPORT,
    params: ParamsOption = paths.PARAMS,
) -> None:
    """Write a model as ONNX, in float32 and int8, with a model card.

    Both are compared with Keras on the test images; where the answers differ too much (section `export`
    of the parameters) nothing is written and an earlier export stays.
    """
    done = workflows.export.export(ferflow.load_params(params), model=model, folder=folder)
    for line in _in_words(done, folder):
        typer.echo(line)


def _in_words(done: Description, folder: Path) -> list[str]:
    checks = done.checks
    lines = [f"{folder}: {done.name} {done.version or '(not registered)'}"]
    lines.append(f"  Keras    accuracy {checks['keras_accuracy']:.4f} on {checks['images']:,} test images")
    for precision in ("float32", "int8"):
        figures = checks[precision]
        lines.append(
            f"  {precision:<8} accuracy {figures['accuracy']:.4f}, probabilities differ by up to "
            f"{figures['max_difference']:.1e}"
        )
    lines.append(f"  model card: {folder / 'model_card.md'}")
    return lines
