"""How many small faults the tests see: `python scripts/mutants.py [TARGET ...]`.

Each mutant of a module differs from it in one place: a comparison, a number, a condition, a statement. A
process of its own runs the tests that are about the module, and stops at the first that fails: the mutant
is killed. What survives is listed with its place. `[tool.mutants]` of pyproject.toml names the targets, the
tests of each, and the mutants that no test can kill, with the reason.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
# Every mutant has its own: nothing of them is imported in the process that all others are forked from.
_OWN = ("ferflow", "tests", "pipelines", "components", "benchmarks", "conftest", "__main__")
# Plugins of pytest are among what is imported once, which it remarks on.
_OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"),
    # One that waits for ever takes no processor time.
    *("--timeout=60", "-m", "not slow and not real_data", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
# A mutant that loops for ever, or that takes all memory, ends so.
_SECONDS, _MEMORY = 120, 6 << 30

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Of the bounds in pydantic's fields.
_KEYWORDS = {"ge": "gt", "gt": "ge", "le": "lt", "lt": "le", "min_length": "max_length"}


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Attributes:
        module: Its name.
        place: File and line.
        change: The text before and after.
    """

    module: str
    place: str
    change: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 when no mutant survives but those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", help="names of [tool.mutants]; all without it")
    parser.add_argument("--most", type=int, help="of each target, drawn by a fixed seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    given = parser.parse_args(arguments)
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutants"]
    figures = {
        target: score(target, configured[target], most=given.most, jobs=given.jobs)
        for target in given.targets or configured
    }
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if any(figure["survived"] for figure in figures.values()) else 0


def score(target: str, settings: dict, *, most: int | None, jobs: int) -> dict:
    """Try the mutants of a target; prints what survives and the score."""
    tests = [str(ROOT / path) for path in settings["tests"]]
    _import_what_they_need(target, tests)
    found = [entry for path in settings["files"] for entry in mutants(ROOT / path)]
    if most is not None and len(found) > most:
        found = random.Random(0).sample(found, most)  # noqa: S311
    known = settings.get("equivalent", {})
    counted = [
        entry for entry in found if f"{entry[0].place.partition(':')[0]}: {entry[0].change}" not in known
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        codes = list(pool.map(lambda entry: run(entry[0].module, entry[1], tests), counted))
    survived = [mutant for (mutant, _), code in zip(counted, codes, strict=True) if code == 0]
    for mutant in survived:
        print(f"{mutant.place}: {mutant.change}")
    killed = len(counted) - len(survived)
    print(
        f"{target}: {killed} of {len(counted)} mutants killed ({killed / len(counted):.1%}), "
        f"{len(found) - len(counted)} left out as equivalent, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return {
        "mutants": len(counted),
        "killed": killed,
        "equivalent": len(found) - len(counted),
        "survived": [asdict(mutant) for mutant in survived],
    }


def _import_what_they_need(target: str, tests: list[str]) -> None:
    """Run the tests without a mutant, and import the packages that they need once for all mutants."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "modules"
        if run(None, None, tests, listing=listing) != 0:
            sys.exit(f"error: the tests of {target} fail without a mutant; run them by hand")
        names = listing.read_text(encoding="utf-8").split()
    for name in names:
        if name.partition(".")[0] not in _OWN:
            with suppress(Exception):  # One that imports itself in another way, or under another name.
                importlib.import_module(name)
    if run(None, None, tests) != 0:
        sys.exit(f"error: the tests of {target} fail where packages are imported before; leave some out")


def mutants(path: Path) -> Iterator[tuple[Mutant, CodeType]]:
    """Every mutant of a module, with its code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    for node in _to_change(tree):
        for changed in changes(node):
            before, kept = ast.unparse(node), dict(vars(node))
            vars(node).update(changed)
            after = ast.unparse(node)
            code = compile(ast.fix_missing_locations(copy.deepcopy(tree)), str(path), "exec")
            vars(node).update(kept)
            if before != after:
                yield (
                    Mutant(module, f"{path.relative_to(ROOT)}:{_line(node, changed)}", _words(before, after)),
                    code,
                )


def _to_change(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes in their order, without imports, decorators and the wording of messages."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
            continue
        yield node
        decorators = getattr(node, "decorator_list", [])
        waiting += reversed([child for child in ast.iter_child_nodes(node) if child not in decorators])


def changes(node: ast.AST) -> Iterator[dict[str, object]]:
    """The new values of a node's fields, one dictionary for each mutant."""
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            yield {"ops": [*node.ops[:index], _COMPARISONS[type(operator)](), *node.ops[index + 1 :]]}
    elif isinstance(node, ast.BoolOp):
        yield {"op": ast.Or() if isinstance(node.op, ast.And) else ast.And()}
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _OPERATORS:
        if not _is_union(node):
            yield {"op": _OPERATORS[type(node.op)]()}
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield {"value": not node.value}
        elif isinstance(node.value, int | float):
            yield {"value": node.value + 1}
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        if not isinstance(node.test, ast.Compare):
            yield {"test": ast.UnaryOp(ast.Not(), node.test)}
    elif isinstance(node, ast.keyword) and node.arg in _KEYWORDS:
        yield {"arg": _KEYWORDS[node.arg]}
    elif isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield {"value": ast.Constant(None)}
    yield from _left_out(node)


def _left_out(node: ast.AST) -> Iterator[dict[str, object]]:
    """A body without one of its statements: what is raised, called for its effect, skipped or added up."""
    body = getattr(node, "body", None)
    if not isinstance(body, list):
        return
    for index, statement in enumerate(body):
        is_call = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
        if is_call or isinstance(statement, ast.Raise | ast.Continue | ast.Break | ast.AugAssign):
            nothing = ast.copy_location(ast.Pass(), statement)
            yield {"body": [*body[:index], nothing, *body[index + 1 :]]}


def _is_union(node: ast.BinOp | ast.AugAssign) -> bool:
    """Whether it is a type such as `int | None`."""
    names = ("None", "int", "float", "str", "bool", "list", "Path")
    text = ast.unparse(node)
    return isinstance(node.op, ast.BitOr) and any(
        part.strip().split("[")[0] in names for part in text.split("|")
    )


def _line(node: ast.AST, changed: dict[str, object]) -> int:
    """Where a node is changed; of a body, the statement that is left out."""
    if "body" in changed:
        (left_out,) = set(vars(node)["body"]) - set(changed["body"])  # type: ignore[call-overload]
        return int(left_out.lineno)
    return int(getattr(node, "lineno", 0))


def _words(before: str, after: str) -> str:
    """What differs, in one line: the lines that do, of a body."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    changed = [line for line in lines if line[0] in "-+"]
    old, new = (" ".join(line[2:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return f"{old} -> {new}"


class _Changed(importlib.machinery.SourceFileLoader):
    """Gives a module the code of a mutant."""

    def __init__(self, module: str, code: CodeType) -> None:
        super().__init__(module, code.co_filename)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return self._code


class _Finder:
    """Finds the module that is changed before all others do."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module, self._code = module, code

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        loader = _Changed(name, self._code)
        return importlib.util.spec_from_file_location(name, self._code.co_filename, loader=loader)


def run(module: str | None, code: CodeType | None, tests: list[str], *, listing: Path | None = None) -> int:
    """Run tests in a process of their own.

    Args:
        module: The module that has other code; None for none.
        code: Its code.
        tests: Files of tests.
        listing: Where the names of all modules that were imported are written.

    Returns:
        0 where all pass; else the code of pytest or of the signal.
    """
    child = os.fork()
    if child == 0:
        _test(module, code, tests, listing)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _test(module: str | None, code: CodeType | None, tests: list[str], listing: Path | None) -> None:
    """In the child: run the tests and end."""
    import pytest

    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    if module is not None and code is not None:
        sys.meta_path.insert(0, _Finder(module, code))  # type: ignore[arg-type]
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    result = 99
    try:
        result = int(pytest.main([*_OPTIONS, *tests]))
        if listing is not None:
            listing.write_text(" ".join(sys.modules), encoding="utf-8")
    finally:
        os._exit(result)


if __name__ == "__main__":
    sys.exit(main())
