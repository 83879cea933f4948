"""Values as people type them: `~` and `$VARIABLES` in every option and argument that is a path, no number
that is none (inf), and nothing empty.

A shell replaces them in most places, but not behind `--option=`, in quotes, or in a list of arguments that a
program makes.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from ferflow.places import typed

_EMPTY_OPTION = re.compile(r"--[a-z-]+=")


def read_paths_in_full(commands: typer.Typer) -> None:
    """Have all commands of an app, and of the groups in it, get their paths in full.

    Args:
        commands: The app; its commands are replaced by ones that call them.
    """
    for command in commands.registered_commands:
        if command.callback is not None and not hasattr(command.callback, "__wrapped__"):
            command.callback = _with_full_paths(command.callback)
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            read_paths_in_full(group.typer_instance)


def _with_full_paths(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(**values: Any) -> Any:
        return function(**{name: _in_full(value, name) for name, value in values.items()})

    return call


def _in_full(value: Any, name: str) -> Any:
    """A value of an option; of a path, and of each one in a list, what it means."""
    if isinstance(value, list | tuple):
        return type(value)(_in_full(entry, name) for entry in value)
    if isinstance(value, float) and not math.isfinite(value):  # A range lets inf pass.
        raise typer.BadParameter(f"{value} is no number; give one", param_hint=_option(name))
    if not isinstance(value, Path):
        return value
    return Path(typed(str(value), key=_option(name)))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument, as `"$UNSET"` gives one: as a path it would mean the folder at hand.

    Args:
        arguments: The command and what follows it on the command line.

    Raises:
        BadParameter: There is one.
    """
    for before, argument in itertools.pairwise(("", *arguments)):
        if not argument or _EMPTY_OPTION.fullmatch(argument):
            place = argument or f"the argument after {before or 'ferflow'}"
            raise typer.BadParameter(
                f"{place} is empty, as a variable of the shell that is not set; give a value, or leave it out"
            )
