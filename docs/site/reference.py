"""Pages of the documentation that follow from the code: command line, parameters, Python, errors.

A hook of MkDocs (see mkdocs.yml): the pages are made when the site is built, so they cannot lag behind.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ferflow.params import read_yaml
from ferflow.profiles import profile_names

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_REPOSITORY = Path(__file__).resolve().parents[2]
_BESIDE_THE_CODE = {
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/results/README.md": "benchmark-files.md",
    "src/ferflow/built_in/model_card.md": "models/compact.md",
}
_ARGUMENT_LISTS = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    from mkdocs.structure.files import File

    made = {
        "reference/command-line.md": command_line(),
        "reference/parameters.md": parameters(),
        "reference/python.md": python(),
        "reference/errors.md": errors(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    # Text that lies beside the code.
    for source, path in _BESIDE_THE_CODE.items():
        text = (_REPOSITORY / source).read_text(encoding="utf-8")
        text = re.sub(r"\]\((\.\./)*docs/", "](", text).replace("](results/README.md", "](benchmark-files.md")
        text = text.replace("](../README.md", "](benchmarks.md")
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to those texts lead to their pages."""
    del page, config, files
    markdown = re.sub(r"\]\((\.\./)(\.\./)?benchmarks/results/README.md", r"](\2benchmark-files.md", markdown)
    return re.sub(r"\]\((\.\./)(\.\./)?benchmarks/README.md", r"](\2benchmarks.md", markdown)


def command_line() -> str:
    """Every command with its arguments and options, as `--help` knows them."""
    from ferflow.cli.app import app

    root = typer.main.get_command(app)
    parts = ["# Command line\n\n`ferflow COMMAND --help` says the same.\n"]
    for path, command in _commands(root, "ferflow"):
        parts.append(_describe(path, command))
    return "\n".join(parts)


def _commands(command: Any, path: str) -> list[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [
        found
        for name, child in command.commands.items()
        if not child.hidden
        for found in _commands(child, f"{path} {name}")
    ]


def _describe(path: str, command: Any) -> str:
    context = typer.Context(command, info_name=path)
    rows = [_row(parameter, context) for parameter in command.params if parameter.name != "help"]
    table = "\n".join(["| option | what it does |", "|---|---|", *rows]) if rows else ""
    return f"## {path}\n\n{inspect.cleandoc(command.help or '')}\n\n{table}\n"


def _row(parameter: Any, context: typer.Context) -> str:
    names, text = parameter.get_help_record(context) or (", ".join(parameter.opts), parameter.help or "")
    cell = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return f"| `{names.replace('|', '/')}` | {cell} |"


def parameters() -> str:
    """Every key of params.yaml with its comment, and its value in each profile."""
    folder = _REPOSITORY / "profiles"
    profiles = profile_names(folder)
    values = {name: read_yaml(folder / f"{name}.yaml") for name in profiles}
    comments = _comments((folder / "base.yaml").read_text(encoding="utf-8"))
    parts = [
        "# Parameters\n\nThe keys of `params.yaml`, what they mean, and their values in the profiles. An "
        "unknown key, a wrong type or a value out of range is one error that names the key.\n"
    ]
    for section, keys in values["sample"].items():
        if not isinstance(keys, dict):
            continue
        head = (
            f"## {section}\n\n| key | meaning | {' | '.join(profiles)} |\n|---|---|{'---|' * len(profiles)}"
        )
        rows = []
        for key in keys:
            cells = [_value(values[name].get(section, {}).get(key)) for name in profiles]
            rows.append(f"| `{key}` | {comments.get((section, key), '')} | {' | '.join(cells)} |")
        parts.append("\n".join([head, *rows]) + "\n")
    return "\n".join(parts)


def _comments(text: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    section = ""
    for line in text.splitlines():
        if match := re.match(r"^(\w+):\s*(#.*)?$", line):
            section = match[1]
        elif match := re.match(r"^  (\w+):[^#]*#\s*(.*)$", line):
            found[section, match[1]] = match[2].replace("|", "\\|").replace("<", "&lt;")
    return found


def _value(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} entries"
    return "`null`" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def python() -> str:
    """The public classes and functions, from their docstrings."""
    import ferflow

    parts = ["# Python\n\n`import ferflow` loads nothing; what is asked for is loaded then.\n"]
    for name in sorted(set(ferflow.__all__) - {"__version__"}, key=str.lower):
        parts.append(_object(f"ferflow.{name}", getattr(ferflow, name)))
    return "\n".join(parts)


def _object(name: str, thing: Any) -> str:
    head = f"## {name}\n\n```python\n{_signature(name, thing)}\n```\n\n{_prose(thing)}\n"
    if not inspect.isclass(thing):
        return head
    members = [
        f"### {name.rpartition('.')[2]}.{key}\n\n"
        f"```python\n{_signature(key, member)}\n```\n\n{_prose(member)}\n"
        for key, member in vars(thing).items()
        if not key.startswith("_") and callable(member)
    ]
    return head + "\n" + "\n".join(members)


def _signature(name: str, thing: Any) -> str:
    return f"{name.rpartition('.')[2]}{inspect.signature(thing)}"


def _prose(thing: Any) -> str:
    """A docstring as Markdown: its lists of arguments become lists."""
    text = inspect.getdoc(thing) or ""
    lines = []
    for line in _ARGUMENT_LISTS.sub(r"**\1**\n", text).splitlines():
        match = re.match(r"^    (\w[\w, *]*): (.*)$", line)
        lines.append(
            f"- `{match[1]}`: {match[2]}"
            if match
            else f"  {line.strip()}"
            if line.startswith("     ")
            else line
        )
    return "\n".join(lines)


def errors() -> str:
    """The tree of exceptions."""
    module = importlib.import_module("ferflow.errors")
    return f"# Errors\n\n```text\n{inspect.getdoc(module)}\n```\n"
