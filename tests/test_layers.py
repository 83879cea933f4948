"""Who may know whom, and what DVC knows of a stage: commands, parameters and code."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferflow.cli.app import COMMANDS
from ferflow.params import Params, read_yaml
from ferflow.source_code import digests_of
from ferflow.stages import train
from ferflow.stages.table import STAGES
from tests.conftest import REPOSITORY

_PACKAGE = REPOSITORY / "src" / "ferflow"

# One process imports what takes seconds; a fork of it forgets what it may not know, and imports its packages.
_IMPORT_ALL = """
import importlib, json, os, pkgutil, sys, traceback
from importlib.abc import MetaPathFinder

import cv2, keras, matplotlib.pyplot, scipy.stats, sklearn.metrics, tensorflow

class Block(MetaPathFinder):
    def __init__(self, names):
        self.names = names.split(",")
        for name in [name for name in sys.modules if self.has(name)]:
            del sys.modules[name]

    def has(self, name):
        return any(name == blocked or name.startswith(blocked + ".") for blocked in self.names)

    def find_spec(self, name, path=None, target=None):
        if self.has(name):
            raise ImportError(f"{name} is blocked")

def import_all(blocked, packages):
    sys.meta_path.insert(0, Block(blocked))
    for package in packages.split(","):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(getattr(module, "__path__", []), package + "."):
            importlib.import_module(found.name)

codes = []
for blocked, packages in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        try:
            import_all(blocked, packages)
            os._exit(0)
        except BaseException:
            print(f"{packages}:", file=sys.stderr)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""

_ORCHESTRATION = "mlflow,dvc,optuna,kfp,ferflow.cli.app,ferflow.doctor"
_LEARNING = "keras,tensorflow,jax,sklearn,matplotlib,kagglehub"
_ABOVE_DATA = "ferflow.stages,ferflow.model,ferflow.reporting"
# What each may not know, and packages.
_LAYERS = [
    (f"{_ORCHESTRATION},{_LEARNING},{_ABOVE_DATA}", "ferflow.data,ferflow.params,ferflow.labels"),
    (f"{_ORCHESTRATION},{_LEARNING}", "ferflow.stages"),
    (f"mlflow,dvc,optuna,kfp,{_LEARNING}", "ferflow.cli.app,ferflow.doctor,ferflow.profiles"),
    (f"{_ORCHESTRATION},ferflow.stages,ferflow.reporting", "ferflow.model"),
    (f"{_ORCHESTRATION},ferflow.stages", "ferflow.reporting"),
    (f"{_ORCHESTRATION},keras,tensorflow,jax,cleanlab,ferflow.serving,ferflow.tracking", "ferflow.insight"),
    (f"{_ORCHESTRATION},{_LEARNING},ferflow.stages,ferflow.tracking", "ferflow.tuning"),
    (
        f"{_ORCHESTRATION},{_LEARNING},onnx,ferflow.stages,ferflow.tracking,ferflow.tuning",
        "ferflow.serving",
    ),
]


def _import_all(layers: list[tuple[str, str]]) -> tuple[list[int], str]:
    """Exit codes of the imports of each layer, and what they wrote on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, json.dumps(layers)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), done.stderr


def test_each_layer_imports_without_those_above_it():
    # The last two import what they may not know.
    faults = [("ferflow.errors", "ferflow.data"), ("keras,tensorflow", "ferflow.model")]
    codes, errors = _import_all([*_LAYERS, *faults])
    assert codes == [0] * len(_LAYERS) + [1, 1], errors


def _stages() -> dict:
    return read_yaml(REPOSITORY / "dvc.yaml")["stages"]


def test_the_commands_of_the_stages_are_those_of_the_table():
    commands = [name for name, entry in COMMANDS.items() if entry.module == "stages"]
    assert list(_stages()) == commands == list(STAGES)


def test_every_section_is_tracked_by_a_stage_or_decides_no_result_of_one():
    tracked = {section for stage in _stages().values() for section in stage.get("params", [])}
    # No stages: a version remembers the rules that it was judged by, an export its limits, a study its space.
    assert tracked == set(Params.model_fields) - {"profile", "registry", "export", "tune"}


def test_dvc_yaml_is_what_the_table_of_stages_says():
    """`make dvc-yaml` writes it; the code that a stage depends on is what it imports."""
    spec = importlib.util.spec_from_file_location("dvc_yaml", REPOSITORY / "scripts" / "dvc_yaml.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.TARGET.read_text(encoding="utf-8") == script.text(), "run 'make dvc-yaml'"


def test_the_fingerprint_of_a_run_covers_the_code_that_trains():
    digests = digests_of(*train._CODE)
    assert {"model/network.py", "model/training.py", "model/views.py", "data/subsets.py"} <= set(digests)
    assert set(train._code_digests()) == {digests[name] for name in set(digests) - set(train._STORAGE)}


@pytest.mark.parametrize(
    "path", sorted(_PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(_PACKAGE))
)
def test_what_only_linux_has_is_asked_for_before_it_is_used(path):
    """Locks are those of `ferflow.locks`, cores are counted by `ferflow.machine`: both know other systems."""
    code = path.read_text()
    at_top = ast.parse(code).body
    names = {alias.name for node in at_top if isinstance(node, ast.Import) for alias in node.names}
    assert not names & {"fcntl", "resource", "pwd", "grp", "termios", "pty"}
    for name in ("sched_getaffinity", "getuid", "geteuid", "fchmod", "killpg", "SIGHUP"):
        if f".{name}" in code:
            assert f'"{name}")' in code, f"hasattr(..., {name!r})"


_FOLDERS = ("src/ferflow", "pipelines", "components", "benchmarks")
_TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in _FOLDERS
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
}
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix().removeprefix("src/ferflow/")


def _imports(node: ast.AST, *, late: bool | None = None, inside: bool = False) -> list[ast.AST]:
    """Imports below a node; late: those inside functions, or those at the top (and not for types) alone."""
    found = []
    for child in ast.iter_child_nodes(node):
        if late is False and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom) and late in (None, inside):
            found.append(child)
        found += _imports(child, late=late, inside=inside or isinstance(child, _FUNCTIONS))
    return found


def _modules(node: ast.AST) -> list[str]:
    """What an import names: modules, and what it takes from them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]


def test_nothing_below_imports_the_command_line():
    users = {
        _name(path)
        for path, tree in _TREES.items()
        for node in _imports(tree)
        if any(module.startswith("ferflow.cli") for module in _modules(node))
    }
    assert {name for name in users if not name.startswith("cli/")} == {"__main__.py"}


# What a step needs besides use cases: plain types, paths, files and words.
_PLAIN = ("errors", "files", "labels", "limits", "params", "paths", "progress", "data.store")


def test_the_cluster_imports_use_cases_and_components_import_the_cluster():
    allowed = ("workflows", "cluster", *_PLAIN)
    for path, tree in _TREES.items():
        name = _name(path)
        if not name.startswith(("cluster/", "components/")):
            continue
        for node in _imports(tree):
            for module in _modules(node):
                parts = module.split(".")
                if parts[0] == "ferflow" and len(parts) > 1:
                    assert module.removeprefix("ferflow.").startswith(allowed), f"{name}: {module}"
                assert parts[0] not in ("pipelines", "benchmarks", "typer"), f"{name}: {module}"
                assert parts[0] != "kfp" or name.startswith("components/"), f"{name}: {module}"


def test_use_cases_print_nothing_and_know_no_options():
    for path, tree in _TREES.items():
        if not _name(path).startswith(("workflows/", "cluster/")):
            continue
        for node in _imports(tree):
            assert not any(
                module.startswith(("typer", "rich", "contextlib.redirect")) for module in _modules(node)
            )
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {"print", "sys.stdout.write"}, _name(path)


def test_no_module_takes_a_private_name_of_another():
    taken = [
        f"{_name(path)}: {node.module}.{alias.name}"
        for path, tree in _TREES.items()
        for node in _imports(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert taken == []


def test_no_modules_import_each_other_in_a_circle():
    arrows = {}
    for path, tree in _TREES.items():
        names = {module for node in _imports(tree, late=False) for module in _modules(node)}
        files = {REPOSITORY / "src" / Path(*name.split(".")).with_suffix(".py") for name in names}
        packages = {REPOSITORY / "src" / Path(*name.split(".")) / "__init__.py" for name in names}
        # A package is imported with each of its modules: only one that is named alone is an arrow to it.
        arrows[path] = {file for file in files if file in _TREES} | {
            file
            for file in packages
            if file in _TREES
            and not any(other.is_relative_to(file.parent) for other in files & _TREES.keys())
        }
    waiting = dict(arrows)
    while free := [path for path, targets in waiting.items() if not targets & waiting.keys()]:
        for path in free:
            del waiting[path]
    assert sorted(map(_name, waiting)) == []


def test_imports_inside_functions_are_few_and_each_has_its_reason():
    late = [
        (path, node)
        for path, tree in _TREES.items()
        if path.is_relative_to(_PACKAGE)
        for node in _imports(tree, late=True)
    ]
    assert len(late) <= 20
    for path, node in late:
        lines = path.read_text(encoding="utf-8").splitlines()
        # On its line, or above the imports that it stands among.
        first = node.lineno - 1
        while first and lines[first - 1].strip().startswith(("from ", "import ")):
            first -= 1
        assert "#" in lines[node.lineno - 1] or lines[first - 1].strip().startswith("#"), (
            f"{path}:{node.lineno}"
        )


_MOST_LINES, _MOST_ARGUMENTS = 60, 7
# Functions that take more, and why.
_MANY_ARGUMENTS = {
    ("cli/explain.py", "explain"): "an option each",
    ("cli/predict.py", "predict"): "an option each",
    ("cli/serve.py", "serve"): "an option each",
    ("cli/serve.py", "app"): "an option each",
    ("cli/stages.py", "evaluate"): "an option each",
    ("cli/tune.py", "tune"): "an option each",
    ("cluster/steps.py", "split"): "an artifact each",
    ("cluster/steps.py", "train"): "an artifact each",
    ("cluster/steps.py", "evaluate"): "an artifact each",
    ("workflows/evaluate_folder.py", "evaluate_folder"): "what the command lets one choose",
    ("workflows/tune.py", "tune"): "what the command lets one choose",
    ("serving/predictor.py", "__init__"): "public; each has a default",
    ("reporting/plot_folder.py", "write_plot_folder"): "the arrays of one scoring, each of its own type",
}


def _functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (_name(path), node)
        for path, tree in _TREES.items()
        if path.is_relative_to(_PACKAGE)
        for node in ast.walk(tree)
        if isinstance(node, _FUNCTIONS)
    ]


def _num_arguments(function: ast.FunctionDef) -> int:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def test_functions_and_modules_stay_short():
    lengths = {(name, node.name): node.end_lineno - node.lineno + 1 for name, node in _functions()}
    assert {key for key, length in lengths.items() if length > _MOST_LINES} == set()
    all_lengths = sorted(node.end_lineno - node.lineno + 1 for _, node in _functions())
    assert all_lengths[int(0.9 * len(all_lengths))] <= 27
    modules = {
        _name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _PACKAGE.rglob("*.py")
    }
    assert {name for name, length in modules.items() if length > 300} == set()


def test_functions_take_few_arguments_or_have_a_reason():
    many = {(name, node.name) for name, node in _functions() if _num_arguments(node) > _MOST_ARGUMENTS}
    assert many == _MANY_ARGUMENTS.keys()
