"""`~` and variables in the paths of every command."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from ferflow.cli.app import COMMANDS, app
from ferflow.cli.typed_paths import read_paths_in_full
from ferflow.errors import ParamsError

own = typer.Typer()
seen: dict[str, object] = {}


@own.command()
def look(
    files: Annotated[list[Path], typer.Argument()],
    output: Annotated[Path | None, typer.Option("--output")] = None,
    name: Annotated[str, typer.Option("--name")] = "~",
) -> None:
    """Notes what it was given."""
    seen.update(files=files, output=output, name=name)


read_paths_in_full(own)
read_paths_in_full(own)  # Twice is once.


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    seen.clear()
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.chdir(tmp_path)


def test_paths_are_read_in_full_and_other_texts_are_left_alone():
    done = CliRunner().invoke(own, ["~/a", "$DATA/b", "--output=${DATA}/c d", "--name", "$DATA"])
    assert done.exit_code == 0, done.output
    assert seen == {
        "files": [Path("/home/someone/a"), Path("/data/b")],
        "output": Path("/data/c d"),
        "name": "$DATA",
    }


def test_a_file_that_has_the_name_is_meant(tmp_path):
    (tmp_path / "$DATA").touch()
    CliRunner().invoke(own, ["$DATA"])
    assert seen["files"] == [Path("$DATA")]
    assert seen["output"] is None


def test_a_variable_that_is_not_set_is_one_error():
    done = CliRunner().invoke(own, ["a", "--output", "$NOT_SET/x"])
    assert isinstance(done.exception, ParamsError)
    assert str(done.exception).startswith("--output: '$NOT_SET/x' names the variable NOT_SET")


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "a.jpg", "--smooth", "inf"],
        ["serve", "--seconds", "inf"],
        ["tune", "--timeout", "inf"],
        ["predict", "a.jpg", "--min-score=nan"],
        ["evaluate", "--data", "x", "--max-bad-share", "nan"],
    ],
)
def test_a_number_that_is_none_is_an_error_of_usage(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["inspect", ""], ["predict", ""], ["evaluate", "--data", ""], ["predict", "a.jpg", "--export="]],
)
def test_an_empty_argument_is_an_error_of_usage(arguments):
    """Not the folder at hand: a variable of the shell was not set."""
    done = CliRunner().invoke(app, arguments, terminal_width=200)
    assert done.exit_code == 2
    assert "is empty" in done.output


@pytest.mark.parametrize("name", ["inspect", "download"])
def test_the_command_line_reads_them(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = CliRunner().invoke(app, [name, *(["~/data"] if name == "inspect" else []), "--params=~/none.yaml"])
    assert str(tmp_path / "none.yaml") in str(done.exception)


@pytest.mark.parametrize("module", sorted({command.module for command in COMMANDS.values()}))
def test_every_command_is_under_the_rule(module):
    found = importlib.import_module(f"ferflow.cli.{module}").commands
    read_paths_in_full(found)
    for typed in (found, *(group.typer_instance for group in found.registered_groups)):
        assert all(hasattr(command.callback, "__wrapped__") for command in typed.registered_commands)


@pytest.mark.parametrize("name", ["predict", "evaluate", "tune"])
def test_a_command_keeps_its_options(name):
    done = CliRunner().invoke(app, [name, "--help"], terminal_width=200)
    assert done.exit_code == 0
    wanted = {"predict": "[PATH]", "evaluate": "DIR", "tune": "FILE"}[name]
    assert wanted in done.output
