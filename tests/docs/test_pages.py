"""The README and the tutorials: their commands exist, and the README is a landing page."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from ferflow.cli.app import app
from tests.conftest import REPOSITORY

_PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))]


def _commands() -> list[tuple[str, str]]:
    """Every line of a block of commands, with the page it stands on."""
    found = []
    for page in _PAGES:
        blocks = re.findall(r"^```\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        starts = ("ferflow ", "python -m pipelines ")
        found += [(page.name, line) for line in lines if line.startswith(starts)]
    return found


@pytest.mark.parametrize(("page", "line"), _commands())
def test_a_command_on_a_page_exists_with_its_options(page, line):
    words = shlex.split(line, comments=True)
    if words[0] == "ferflow":
        command, words = typer.main.get_command(app), words[1:]
    else:
        from pipelines.cli import app as pipelines

        command, words = typer.main.get_command(pipelines), words[3:]
    while hasattr(command, "commands"):
        assert words, f"{page}: {line}"
        assert words[0] in command.commands, f"{page}: {line}"
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known | {"--help"}, f"{page}: {line}"


def test_the_readme_is_a_landing_page():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    # What readers see.
    assert len(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split()) <= 700
    assert len(re.findall(r"!\[", text)) <= 4
