"""The command lines `python -m pipelines` and `ferflow pipeline`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ferflow.errors import ParamsError
from pipelines.cli import app
from pipelines.compiling import COMPILED
from tests.conftest import REPOSITORY


def _run(*command: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )


def test_ferflow_pipeline_is_the_same_command(tmp_path):
    done = _run("ferflow", "pipeline", "compile", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for name in ("training", "sweep"):
        assert (tmp_path / f"{name}.yaml").read_bytes() == (COMPILED / f"{name}.yaml").read_bytes()


def test_ferflow_pipeline_elsewhere_says_where_to_go(tmp_path):
    done = _run("ferflow", "pipeline", "compile", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: pipelines/__main__.py: not found")


def test_a_users_error_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "config.yaml").write_text("image: 1\n")
    done = _run("pipelines", "compile", "--config", str(tmp_path / "config.yaml"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'config.yaml'}: image: 1 found")
    assert "Traceback" not in done.stderr


def test_an_unknown_pipeline_names_the_known_ones():
    done = CliRunner().invoke(app, ["run", "cooking"])
    assert isinstance(done.exception, ParamsError)
    assert "known are training, sweep" in str(done.exception)


@pytest.mark.parametrize("command", ["compile", "run", "submit", "status", "retry", "logs", "schedules"])
def test_every_command_explains_itself(command):
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output
