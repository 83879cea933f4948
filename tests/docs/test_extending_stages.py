"""The page on extending: a stage is added as it says, works, and touches as few files as it promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ferflow.data.store import write_csv
from tests.conftest import REPOSITORY

_PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
_MOST_FILES = 4


def _block(path: str) -> str:
    """The code that the page gives for a file."""
    (found,) = re.findall(
        rf"^`{re.escape(path)}`\n\n```(?:python|text)\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE
    )
    return found


def _contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def repository(tmp_path) -> Path:
    """A copy of what a stage is made of."""
    for name in ("src", "scripts", "profiles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    return tmp_path


def _run(repository: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stage_is_added_as_the_page_says(repository):
    before = _contents(repository)
    function, table = "src/ferflow/stages/balance.py", "src/ferflow/stages/table.py"
    (repository / function).write_text(_block(function))
    text = (repository / table).read_text()
    end = ")\n\nSTAGES = "
    assert text.count(end) == 1
    (repository / table).write_text(text.replace(end, _block(table) + end))
    _run(repository, "scripts/dvc_yaml.py")
    after = _contents(repository)
    touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert touched == {function, table, "dvc.yaml"}
    assert len(touched) <= _MOST_FILES

    described = (repository / "dvc.yaml").read_text()
    assert "\n  balance:\n    cmd: ferflow balance\n    deps:\n" in described
    assert "      - src/ferflow/stages/balance.py\n      - data/split\n" in described
    # The other stages depend on none of it.
    assert described.count("balance.py") == 1
    assert re.search(r"balance +Say how even the classes", _run(repository, "-m", "ferflow", "--help"))

    columns = {"label": ["happy", "happy", "sad", "happy"], "subset": ["train", "train", "train", "test"]}
    write_csv(repository / "data" / "split" / "manifest.csv", columns)
    _run(repository, "-m", "ferflow", "balance")
    report = json.loads((repository / "reports" / "balance.json").read_text())
    assert report == {"counts": {"happy": 2, "sad": 1}, "ratio": 2.0}
    assert (repository / ".ferflow" / "locks" / "balance.lock").exists()
