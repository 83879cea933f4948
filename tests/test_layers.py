"""Who may know whom: layers import with everything above them blocked."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from ferflow.params import Params
from tests.conftest import REPOSITORY

_BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Block())
import importlib, pkgutil
for package in sys.argv[2].split(","):
    module = importlib.import_module(package)
    for found in pkgutil.iter_modules(getattr(module, "__path__", []), package + "."):
        importlib.import_module(found.name)
print("imported")
"""

_ORCHESTRATION = "mlflow,dvc,optuna,kfp"
_LEARNING = "keras,tensorflow,jax,sklearn,matplotlib"


@pytest.mark.parametrize(
    ("blocked", "packages"),
    [
        (f"{_ORCHESTRATION},{_LEARNING},kagglehub", "ferflow.data,ferflow.params,ferflow.labels"),
        (f"{_ORCHESTRATION},{_LEARNING},kagglehub", "ferflow.stages,ferflow.cli,ferflow.doctor"),
        (_ORCHESTRATION, "ferflow.model,ferflow.reporting"),
    ],
)
def test_a_layer_imports_without_those_above_it(blocked, packages):
    done = subprocess.run(
        [sys.executable, "-c", _BLOCK, blocked, packages], capture_output=True, text=True, check=False
    )
    assert done.stdout == "imported\n", done.stderr


def _pipeline() -> dict:
    return yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def test_dvc_stages_are_the_commands_in_order():
    import typer

    from ferflow.cli import app

    commands = [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.rich_help_panel
    ]
    assert list(_pipeline()) == commands == ["download", "face-filter", "split", "train", "evaluate"]
    assert [stage["cmd"] for stage in _pipeline().values()] == [f"ferflow {name}" for name in commands]
    assert isinstance(app, typer.Typer)


def test_dvc_tracks_every_section_that_a_stage_takes():
    tracked = {name: set(stage["params"]) for name, stage in _pipeline().items()}
    assert tracked == {
        "download": {"seed", "download"},
        "face-filter": {"face_filter"},
        "split": {"seed", "split"},
        "train": {"seed", "model", "augment", "train"},
        "evaluate": {"evaluate"},
    }
    assert set().union(*tracked.values()) == set(Params.model_fields) - {"profile"}
