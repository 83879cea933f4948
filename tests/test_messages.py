"""Every message that ends a command names the way on; they are read off the source.

A message is the first argument of an error of the tree in `ferflow.errors`. It names a way on where a clause
of it begins with what to do ("run 'dvc repro'"), where it says what is expected in the place of a value that
was typed, or where it passes on another error's message or cure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import ferflow

_PACKAGE = Path(ferflow.__file__).parent

# What a clause begins with that says what to do.
_VERBS = (
    "add|ask|bring|change|choose|connect|copy|correct|export|fetch|free|give|go|install|join|keep|leave|let|"
    "lower|make|move|name|narrow|place|promote|put|raise|register|remove|rename|repack|resize|restore|return|"
    "rewrite|run|save|score|see|send|set|start|take|train|try|undo|unpack|use|wait|widen|write"
)
_BEGINNINGS = re.compile(
    r"(?:^|[;:,.(\n]|\bor|\band|\bthen|\bso|\btrust it,) *(?:first |either )?"
    rf"(?:{_VERBS})\b",
    re.IGNORECASE,
)
# A placeholder that is filled with another error's message, or with a cure or what is expected.
_PASSED_ON = re.compile(r"\{[^{}]*(?:error|cure|CURE|BY_HAND|EXPECTED|problems)[^{}]*\}")
# Messages without a way on, each with its reason.
_EXCEPTIONS = {
    "sending was called off": "ends the sender's own thread and is never shown",
    "the pod was told to stop": "a pod that is taken away: what goes on does so by itself",
}


class Message(NamedTuple):
    """A message as it is written down, with its placeholders as code."""

    place: str
    text: str


def _error_names(trees: dict[Path, ast.Module]) -> set[str]:
    """Names of `FerflowError` and all classes below it."""
    names = {"FerflowError"}
    while True:
        found = {
            node.name
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in names for base in node.bases)
        }
        if found <= names:
            return names - {"BadImageError"}
        names |= found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return "{" + ast.unparse(node.value).replace("{", "(").replace("}", ")") + "}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "{" + ast.unparse(node).replace("{", "(").replace("}", ")") + "}"


@cache
def _messages() -> tuple[Message, ...]:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(_PACKAGE.rglob("*.py"))}
    return tuple(_found(trees, _error_names(trees)))


def _found(trees: dict[Path, ast.Module], names: set[str]) -> Iterator[Message]:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _called(node) in names:
                yield Message(f"{path.relative_to(_PACKAGE)}:{node.lineno}", _text(node.args[0]))


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _names_a_way_on(text: str) -> bool:
    said = re.sub(r"\{[^{}]*\}", "X", text)  # What fills a placeholder is not read for its code.
    return bool(_BEGINNINGS.search(said) or "expected" in said or _PASSED_ON.search(text))


def test_the_messages_are_found():
    assert len(_messages()) > 250
    assert len({message.place.partition("/")[0] for message in _messages()}) > 12


def test_every_message_names_a_way_on():
    without = [
        f"{message.place}: {message.text}"
        for message in _messages()
        if not _names_a_way_on(message.text) and not any(start in message.text for start in _EXCEPTIONS)
    ]
    assert without == []


def test_no_exception_is_left_over():
    texts = [message.text for message in _messages()]
    assert [start for start in _EXCEPTIONS if not any(start in text for text in texts)] == []


@pytest.mark.parametrize(
    ("text", "is_enough"),
    [
        ("{path}: damaged", False),
        ("{path}: is set to the wrong value", False),  # "set" here says nothing of what to do.
        ("{path}: damaged; run the stage again", True),
        ("{path}: holds {found}, expected a folder", True),
        ("{path}: if you trust it, raise download.max_ratio", True),
        ("the store is slow: not done after {self._seconds} s", False),
        ("{path}: {error}", True),
        ("{path}: not found, {_CURE}", True),
        ("{path}: use of it is over", True),  # A rule by words cannot tell this one; a reader must.
    ],
)
def test_the_rule(text, is_enough):
    assert _names_a_way_on(text) is is_enough


def test_no_message_speaks_of_mending():
    assert [message for message in _messages() if re.search(r"\bmend", message.text)] == []
