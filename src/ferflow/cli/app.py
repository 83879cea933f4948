"""The command line: a table of commands, each loaded when it is called or its own help is asked for.

A command is a function with typer's options in a module beside this one; it parses, calls a use case of
`ferflow.workflows` and prints the report.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import ferflow
from ferflow.cli.typed_paths import read_paths_in_full, refuse_empty
from ferflow.endings import exit_code_of
from ferflow.stages.table import STAGES

# Of the width of a terminal.
_MOST_DIGITS = 4
PIPELINE = "Pipeline stages, in order (dvc repro runs them)"
AT_WORK = "The model at work"


class Command(NamedTuple):
    """A command, or a group of them.

    Attributes:
        module: Beside this one; its `commands` holds the command.
        summary: The first sentence of its help.
        panel: Where the help lists it.
    """

    module: str
    summary: str
    panel: str | None = None


COMMANDS = {
    **{name: Command("stages", stage.summary, PIPELINE) for name, stage in STAGES.items()},
    "profile": Command("profile", "Write params.yaml from a profile."),
    "summary": Command("summary", "Print the figures of the last run and where to look next."),
    "doctor": Command(
        "doctor", "Check this machine and say the cure for each problem; exit code 1 if there is one."
    ),
    "model": Command("model", "Look at the network."),
    "register": Command("registry", "Register a run's model; the gate decides whether it becomes champion."),
    "compare": Command(
        "registry",
        "Put runs beside each other: parameters that differ, figures with intervals, which one is better.",
    ),
    "ui": Command("registry", "Open MLflow's own pages on the store, for this machine alone, until Ctrl-C."),
    "runs": Command("runs", "List the runs that were trained, newest last."),
    "watch": Command("watch", "Show the curves of what runs here, until it ends or until Ctrl-C."),
    "registry": Command("registry", "Look at the registered versions, and take a promotion back."),
    "tune": Command(
        "tune",
        "Search for better parameters (section `tune`); the same command again goes on where it was.",
    ),
    "track": Command(
        "tracking", "Look at the runs that are written here, and send those that no store has yet."
    ),
    "pipeline": Command(
        "pipeline",
        "Kubeflow pipelines: compile, run, submit, status, retry, logs; `ferflow pipeline --help` says more.",
    ),
    "ensemble": Command("ensemble", "Make one model of several: the mean of their probabilities.", AT_WORK),
    "export": Command("export", "Write a model as ONNX, in float32 and int8, with a model card.", AT_WORK),
    "predict": Command("predict", "Find the faces in pictures and say what they show.", AT_WORK),
    "models": Command(
        "models",
        "List the models that can answer here, with their figures, and say which one does.",
        AT_WORK,
    ),
    "explain": Command(
        "explain", "Show which parts of a face speak for the network's answer (Grad-CAM).", AT_WORK
    ),
    "insight": Command(
        "insight",
        "List labels that are likely wrong, and show which kinds of images the network finds hard.",
        AT_WORK,
    ),
    "inspect": Command(
        "inspect",
        "Print how a path would be read as images: subsets, classes, counts, odd files, and the line to "
        "type.",
    ),
    "serve": Command(
        "serve",
        "Answer pictures over HTTP, until Ctrl-C: POST /predict, POST /explain, /health, /metrics, /model.",
        AT_WORK,
    ),
    "app": Command("serve", "Open a page that reads faces in pictures or the webcam, until Ctrl-C.", AT_WORK),
}


class _Loaded(Mapping[str, Any]):
    """Name to command, loaded when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        found = importlib.import_module(f"ferflow.cli.{COMMANDS[name].module}").commands
        found.rich_markup_mode = app.rich_markup_mode
        read_paths_in_full(found)
        return typer.main.get_group(found).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LateGroup(TyperGroup):
    """A group whose commands are listed from the table, and loaded when they are called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = _Loaded()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's)
        """The names, as the help lists them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (typer's)
        """What the help and the completion say of a command; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        _, summary, panel = COMMANDS[cmd_name]
        return TyperCommand(
            cmd_name, help=summary, rich_help_panel=panel, rich_markup_mode=app.rich_markup_mode
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command itself, when it is called."""
        refuse_empty(args)
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if command is not None else None, rest


app = typer.Typer(
    name="ferflow",
    cls=LateGroup,
    help="Reproducible facial emotion recognition on FER-2013.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; however a command ends, one message tells how."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and len(columns) > _MOST_DIGITS:  # The help is drawn that wide, in gigabytes.
        del os.environ["COLUMNS"]
    code = exit_code_of(app)
    gc.freeze()  # The process ends: nothing is searched for garbage before.
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ferflow {ferflow.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...
