"""Plain, standard English: words that second-language readers stumble over do not come back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# What is not written, and what is written instead.
_BANNED = {
    r"\bmend(?:s|ed|ing)?\b": "correct, repair",
    r"\bdear(?:er|est)?\b(?: (?:one|ones|look|looks))?": "expensive",
    r"\b(?:is|are|was|were) owed\b": "is due, is still to be done",
    r"\b(?:say|says|said) so\b": "name what is said",
    r"\bstands?\b(?! for\b)": "is, is given, is written",
    r"\bSee the class\b": "say what is returned",
}
_FRAGMENT = re.compile(r"^ +\**\w+: Of ", re.MULTILINE)
_TEXTS = [
    *sorted((REPOSITORY / "src").rglob("*.py")),
    *sorted((REPOSITORY / "src").rglob("*.html")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "profiles").glob("*.yaml")),
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "params.yaml")),
]


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("word", _BANNED)
def test_no_word_that_readers_stumble_over(word):
    # What is written in many hands every day is corrected, not refused, for this one word.
    texts = [path for path in _TEXTS if "stands" not in word or path.suffix != ".md"]
    found = [
        f"{_name(path)}:{number}: {line.strip()[:100]}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(word, line)
    ]
    assert found == [], f"write instead: {_BANNED[word]}"


def test_docstrings_describe_arguments_by_what_they_are():
    found = []
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                found += [f"{_name(path)}: {line.strip()}" for line in _FRAGMENT.findall(text)]
    assert found == [], "write 'client: The client of the store', not 'client: Of the store'"


@pytest.mark.parametrize("line", ["    client: Of the store.", "    number: Of the trial."])
def test_the_rule_of_fragments(line):
    assert _FRAGMENT.search(line)
    assert not _FRAGMENT.search(line.replace("Of", "The number of"))
