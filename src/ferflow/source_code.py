"""Which modules a result depends on: those that its code imports, directly or not.

`dvc.yaml` names them for each stage, and the fingerprint of a training holds their digests. A module that is
imported late counts, too (`model.network` after `from ferflow import model`); what is imported for types
alone decides nothing. A registry, which finds the modules of its package itself, depends on all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ferflow.files import sha256_of

PACKAGE = Path(__file__).parent

# A change of these alone changes no result: values are tracked as parameters, the rest is wording.
_UNTRACKED_NAMES = {
    "errors.py",
    "heavy.py",
    "late.py",
    "limits.py",
    "places.py",
    "progress.py",
    "redaction.py",
    "source_code.py",
    "temporaries.py",
}
_UNTRACKED_FOLDERS = {"params"}
# In the `__init__.py` of a package whose modules are found by their names.
_REGISTRY = "Registry(__name__"


@cache
def code_of(*modules: str) -> tuple[str, ...]:
    """Files below `src/ferflow/` that some modules depend on, sorted; those that decide no result left out.

    Args:
        modules: Their names, such as `ferflow.stages.split`.
    """
    found = reached(path for name in modules for path in _files_of(name))
    return tuple(sorted(path.relative_to(PACKAGE).as_posix() for path in found if _is_tracked(path)))


def reached(files: Iterable[Path]) -> set[Path]:
    """Files of this package that some files import, directly or not, and those themselves that are of it.

    Args:
        files: Python files, of this package or not.
    """
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports_of(path)
    return {path for path in found if path.is_relative_to(PACKAGE)}


def digests_of(*modules: str) -> dict[str, str]:
    """The same files with the SHA-256 of each."""
    return {name: sha256_of(PACKAGE / name) for name in code_of(*modules)}


@cache
def imports_of(path: Path) -> tuple[Path, ...]:
    """Files of this package that a file imports when it runs, at its top or late."""
    text = path.read_text(encoding="utf-8")
    packages: dict[str, str] = {}  # As the file calls them, to their full names.
    found: list[Path] = []
    nodes = list(_run_nodes(ast.parse(text)))
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [file for alias in node.names for file in _files_of(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += _files_of(node.module)
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found += _files_of(full)
                packages[alias.asname or alias.name] = full
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages:
            found += _files_of(f"{packages[node.value.id]}.{node.attr}")
    if path.name == "__init__.py" and is_registry(path.parent):
        found += sorted(path.parent.glob("*.py"))
    return tuple(dict.fromkeys(found))


@cache
def is_registry(folder: Path) -> bool:
    """Whether a package finds its modules by their names.

    Args:
        folder: The folder of the package, as it is or below `src/ferflow/`.
    """
    start = PACKAGE / folder / "__init__.py"
    return start.is_file() and _REGISTRY in start.read_text(encoding="utf-8")


def _is_tracked(path: Path) -> bool:
    parts = path.relative_to(PACKAGE).parts
    if parts[0] in _UNTRACKED_FOLDERS:
        return False
    if path.name == "__init__.py":
        return is_registry(path.parent)
    return path.name not in _UNTRACKED_NAMES


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _run_nodes(node)


def _files_of(module: str) -> list[Path]:
    """The file of a module of this package; none for other names."""
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return []
    base = PACKAGE.joinpath(*rest)
    files = [PACKAGE.joinpath(*rest[:depth], "__init__.py") for depth in range(len(rest))]
    files += [base.with_suffix(".py"), base / "__init__.py"]
    return [file for file in files if file.is_file()]
