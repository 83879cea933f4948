"""Who may know whom, and what DVC knows of a stage: commands, parameters and code."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys

import pytest

from ferflow.cli.app import COMMANDS
from ferflow.params import Params, read_yaml
from ferflow.source_code import digests_of
from ferflow.stages import train
from tests.conftest import REPOSITORY

_PACKAGE = REPOSITORY / "src" / "ferflow"

_IMPORT_ALL = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(blocked + ".") for blocked in sys.argv[1].split(",")):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
import importlib, pkgutil
for package in sys.argv[2].split(","):
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), package + "."):
        importlib.import_module(found.name)
print("imported")
"""

_ORCHESTRATION = "mlflow,dvc,optuna,kfp,ferflow.cli.app,ferflow.doctor"
_LEARNING = "keras,tensorflow,jax,sklearn,matplotlib,kagglehub"
_ABOVE_DATA = "ferflow.stages,ferflow.model,ferflow.reporting"


@pytest.mark.parametrize(
    ("blocked", "packages"),
    [
        (f"{_ORCHESTRATION},{_LEARNING},{_ABOVE_DATA}", "ferflow.data,ferflow.params,ferflow.labels"),
        (f"{_ORCHESTRATION},{_LEARNING}", "ferflow.stages"),
        (f"mlflow,dvc,optuna,kfp,{_LEARNING}", "ferflow.cli.app,ferflow.doctor,ferflow.profiles"),
        (f"{_ORCHESTRATION},ferflow.stages,ferflow.reporting", "ferflow.model"),
        (f"{_ORCHESTRATION},ferflow.stages", "ferflow.reporting"),
        (
            f"{_ORCHESTRATION},keras,tensorflow,jax,cleanlab,ferflow.serving,ferflow.tracking",
            "ferflow.insight",
        ),
        (f"{_ORCHESTRATION},{_LEARNING},ferflow.stages,ferflow.tracking", "ferflow.tuning"),
        (
            f"{_ORCHESTRATION},{_LEARNING},onnx,ferflow.stages,ferflow.tracking,ferflow.tuning",
            "ferflow.serving",
        ),
    ],
)
def test_a_layer_imports_without_those_above_it(blocked, packages):
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, blocked, packages], capture_output=True, text=True, check=False
    )
    assert done.stdout == "imported\n", done.stderr


def _stages() -> dict:
    return read_yaml(REPOSITORY / "dvc.yaml")["stages"]


def test_dvc_stages_are_the_commands_in_order():
    commands = [name for name, entry in COMMANDS.items() if entry.module == "stages"]
    assert list(_stages()) == commands == ["download", "face-filter", "split", "train", "evaluate"]
    assert [stage["cmd"] for stage in _stages().values()] == [f"ferflow {name}" for name in commands]


def test_dvc_tracks_every_section_that_a_stage_takes():
    tracked = {name: set(stage["params"]) for name, stage in _stages().items()}
    assert tracked == {
        "download": {"seed", "download"},
        "face-filter": {"face_filter"},
        "split": {"seed", "split"},
        "train": {"seed", "model", "augment", "train"},
        "evaluate": {"evaluate"},
    }
    # No stages: a version remembers the rules that it was judged by, an export its limits, a study its space.
    assert set().union(*tracked.values()) == set(Params.model_fields) - {
        "profile",
        "registry",
        "export",
        "tune",
    }


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
