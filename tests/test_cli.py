"""The command line: speed, errors and exit codes."""

from __future__ import annotations

import inspect
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ferflow import __version__
from ferflow.cli.app import COMMANDS, app
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.usefixtures("coarse_figures")


def ferflow(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ferflow", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_is_instant_and_lists_the_stages():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = ferflow("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    for name in ("download", "face-filter", "split", "train", "evaluate", "profile", "model", "doctor"):
        assert re.search(rf"\b{name}\b", done.stdout)
    # Seconds of processor time: other work on the machine does not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_loads_no_heavy_package():
    code = "import sys; sys.argv = ['ferflow', '--help']\nfrom ferflow.cli.app import main\n" + (
        "try:\n    main()\nfinally:\n"
        "    heavy = {'keras', 'jax', 'cv2', 'numpy', 'pydantic', 'sklearn'}\n"
        "    print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"


def test_onnx_runtime_tells_nobody_and_leaves_no_number_of_the_machine(tmp_path):
    # Which it does by itself in a test of its own, in continuous integration, and where it is told not to.
    told = {"CI", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in told}
    done = subprocess.run(
        [sys.executable, "-c", "from ferflow import heavy\nprint(heavy.onnxruntime.__version__)"],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout
    assert list(tmp_path.iterdir()) == []


def test_version():
    assert ferflow("--version").stdout == f"ferflow {__version__}\n"


def test_an_error_is_one_message_and_exit_code_1(tmp_path):
    done = ferflow("split", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: params.yaml: not found")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "stage",
    [
        "face-filter",
        "split",
        "train",
        # It loads what trains before it looks for the network.
        pytest.param("evaluate", marks=pytest.mark.slow),
    ],
)
def test_a_stage_without_its_input_says_what_to_run(tmp_path, stage):
    (tmp_path / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    done = ferflow(stage, cwd=tmp_path)
    assert done.returncode == 1
    assert re.match(r"error: (data|models)/\S+: not found; ", done.stderr)
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix not in (".yaml", ".lock", ".holder")
    ]


def test_profile_writes_params_and_says_what_next(tmp_path):
    (tmp_path / "profiles").symlink_to(REPOSITORY / "profiles")
    done = ferflow("profile", "cpu", "--set", "train.epochs=4", cwd=tmp_path)
    assert done.returncode == 0
    assert "dvc repro" in done.stdout
    assert "epochs: 4" in (tmp_path / "params.yaml").read_text()


def test_profile_keeps_an_edited_file_and_says_so(tmp_path):
    (tmp_path / "profiles").symlink_to(REPOSITORY / "profiles")
    (tmp_path / "params.yaml").write_text("mine: 1\n")
    assert "params.yaml.bak1" in ferflow("profile", "sample", cwd=tmp_path).stdout
    assert (tmp_path / "params.yaml.bak1").read_text() == "mine: 1\n"


@pytest.mark.slow
def test_model_summary_prints_the_counts_of_the_paper():
    done = ferflow("model", "summary", "--profile", "paper")
    assert re.findall(r"(\w+)\s+([\d,]+)", done.stdout) == [
        ("total", "29,996,295"),
        ("trainable", "22,779,527"),
        ("frozen", "7,216,768"),
    ]
    assert done.stderr == ""


def test_the_shell_completes_a_stage():
    done = subprocess.run(
        [Path(sys.executable).with_name("ferflow")],
        env={
            **os.environ,
            "_FERFLOW_COMPLETE": "complete_bash",
            "COMP_WORDS": "ferflow fa",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["face-filter"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_help_of_each_begins_with(name):
    """The list is made without loading a command, so its sentence and panel stand beside the name."""
    command = typer.main.get_command(app).commands[name]
    assert inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ") == COMMANDS[name].summary
    panel = command.rich_help_panel
    assert getattr(panel, "value", panel) == COMMANDS[name].panel
