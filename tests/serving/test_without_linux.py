"""The core where nothing of Linux is at hand: no kernel locks, user database, limits or process groups."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.serving.pictures import photo_of, write_photo


@pytest.fixture
def run(tmp_path, export_folder, without_linux):
    """Run ferflow in a project of the sample with an export, as a machine without Linux would."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    shutil.copytree(export_folder, tmp_path / "export")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ferflow", *words],
            env=os.environ | without_linux,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


def test_predict_answers(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    photo = write_photo(tmp_path / "photo.png", photo_of([(40, 60, 144)]))
    done = run("predict", str(photo), "--json")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert json.loads(done.stdout)
    # An answer about one picture waits for nothing that others need.
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ferflow.serving.predictor" in loaded
    assert not loaded & {"ferflow.params", "ruamel.yaml", "yaml", "pandas", "keras"}


@pytest.mark.slow
def test_the_data_stages_run_and_leave_their_locks_free(run, tmp_path, without_linux):
    # One process: to load what they need takes longer than what they do.
    code = (
        "import sys\nfrom pathlib import Path\nfrom ferflow.cli.app import main\n"
        "for stage in ('download', 'face-filter', 'split'):\n"
        "    sys.argv = ['ferflow', stage]\n"
        "    try:\n        main()\n    except SystemExit as ended:\n        assert not ended.code, stage\n"
        "    assert not list(Path('.ferflow/locks').glob('*.lock')), stage\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=os.environ | without_linux, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "split" / "manifest.csv").is_file()
    # The file itself is the lock there, and whoever gives a lock back takes its file away.
    assert not list((tmp_path / ".ferflow" / "locks").glob("*.lock"))


@pytest.mark.parametrize(
    "words", [("--version",), ("predict", "--help"), ("serve", "--help"), ("tune", "--help")]
)
def test_commands_start(run, words):
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_doctor_ends_without_a_traceback(run):
    done = run("doctor")
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


# That none needs it at its top, tests/test_layers.py sees in their code.
@pytest.mark.slow
def test_all_modules_can_be_imported(run, without_linux):
    code = (
        "import importlib, pkgutil, ferflow\n"
        "for found in pkgutil.walk_packages(ferflow.__path__, 'ferflow.'):\n"
        "    if not found.name.endswith(('__main__', 'model_code')) and '.model_code.' not in found.name:\n"
        "        importlib.import_module(found.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | without_linux, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
