"""Bounds come before work: under 1 GiB of memory and 5 s of processor time each bomb is one message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.bombs import BOMBS

# One process imports what the command needs, then forks for each folder: the limits are the child's.
_UNDER_LIMITS = """
import json, os, resource, sys
from ferflow.cli.app import main
import ferflow.stages.download, ferflow.data.sources
GIBIBYTE = 1 << 30
codes = {}
for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            os.dup2(os.open("stderr.txt", os.O_WRONLY | os.O_CREAT), 2)
            sys.argv = ["ferflow", "download"]
            resource.setrlimit(resource.RLIMIT_AS, (GIBIBYTE, GIBIBYTE))
            spent = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (spent + 5, spent + 5))
            main()
        except SystemExit as ended:
            os._exit(ended.code)
        finally:
            os._exit(99)
    codes[folder] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, sample_params: Any) -> dict[str, tuple[int, Path]]:
    """Exit code and folder of each bomb."""
    folders: dict[str, Path] = {}
    for name, bomb in BOMBS.items():
        folder = folders[name] = tmp_path_factory.mktemp("bomb")
        source = folder / "source"
        source.mkdir()
        values = sample_params.model_dump(mode="json")
        values["download"].update(bomb.build(source))
        with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
            YAML().dump(values, stream)
    command = [sys.executable, "-c", _UNDER_LIMITS, *map(str, folders.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    codes = json.loads(done.stdout)
    return {name: (codes[str(folder)], folder) for name, folder in folders.items()}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_message(name, tried):
    code, folder = tried[name]
    told = (folder / "stderr.txt").read_text(encoding="utf-8")
    assert code == 1, f"exit code {code}: {told[-500:]}"
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert "fault of ferflow" not in told
    assert len(told) < 1000
    for words in BOMBS[name].says:
        assert words in told
    assert {path.name for path in folder.iterdir()} - {".ferflow", "data", "reports"} == {
        "params.yaml",
        "source",
        "stderr.txt",
    }
    assert not [path for place in ("data", "reports") for path in (folder / place).rglob("*")]
