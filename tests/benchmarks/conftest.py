"""All benchmarks at tiny sizes, each a process as a person starts it, side by side and once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# One residual block: compiled in seconds.
_NETWORK = "--set model.widths=[8] --set model.depths=[1]"
_TINY = {
    "input_pipeline": "--size 64 --images 140 --batch-size 32 --turns 1",
    "training_step": f"--profile sample --sizes 48 --steps 2 --turns 2 {_NETWORK}",
    "memory": f"--profiles sample --steps 1 {_NETWORK}",
    "gpu": f"--reduced --sizes 48 --precisions mixed_bfloat16 {_NETWORK}",
}

# A host with JAX alone: Python runs this before anything else.
_BLOCK_TENSORFLOW = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Block())
"""


def start(benchmark: str, *flags: str, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m benchmarks.BENCHMARK`."""
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{benchmark}", *flags],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What each benchmark wrote, by its name; its last line of stdout says the same."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "sitecustomize.py").write_text(_BLOCK_TENSORFLOW, encoding="utf-8")
    environments = {
        name: {"KERAS_BACKEND": "tensorflow"}
        if name != "gpu"
        else {"KERAS_BACKEND": "jax", "PYTHONPATH": str(folder)}
        for name in _TINY
    }
    processes = {
        name: start(
            name, *flags.split(), "--json", "--output", str(folder / f"{name}.json"), **environments[name]
        )
        for name, flags in _TINY.items()
    }
    return {name: _figures_of(process, folder / f"{name}.json") for name, process in processes.items()}


def _figures_of(process: subprocess.Popen[str], written: Path) -> dict:
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    content: dict = json.loads(output.splitlines()[-1])
    assert content == json.loads(written.read_text(encoding="utf-8"))
    return content
