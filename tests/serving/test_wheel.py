"""The wheel: all of the package and nothing else, and a prediction from it away from the repository."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.serving.pictures import photo_of, write_photo


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, folder)
    nothing_built = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=nothing_built)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "--wheel-dir", "dist", "."], cwd=folder, check=True, capture_output=True)
    (built,) = (folder / "dist").glob("ferflow-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel in a folder of its own; its dependencies are this environment's."""
    target = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*install, "--target", target, wheel], check=True, capture_output=True)
    return target


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    source = REPOSITORY / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "ferflow").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "ferflow/py.typed" in held


def test_training_is_an_extra_and_predicting_is_not(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    required = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    extras = {re.match(r"[\w-]+", entry)[0] for entry in required if "extra ==" in entry}
    core = {re.match(r"[\w-]+", entry)[0] for entry in required if "extra ==" not in entry}
    assert {"onnxruntime", "opencv-python-headless", "numpy"} <= core
    assert {"tensorflow", "keras", "mlflow", "onnx", "fastapi"} <= extras - core


def test_the_installed_wheel_predicts_without_the_repository_and_starts_fast(
    installed, export_folder, tmp_path
):
    photo = write_photo(tmp_path / "photo.png", photo_of([(40, 60, 144), (280, 150, 144)]))
    code = (
        "import sys\nsys.argv[0] = 'ferflow'\nimport ferflow\nfrom ferflow.cli.app import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'tensorflow', 'keras', 'jax', 'mlflow', 'scipy', 'pandas', 'onnx', 'fastapi'}\n"
        "    print(ferflow.__file__, sorted(heavy & set(sys.modules)), sep='\\n')"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(photo), "--export", str(export_folder), "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    answer, place, heavy = done.stdout.splitlines()
    assert len(json.loads(answer)["faces"]) == 2
    assert Path(place).is_relative_to(installed)
    assert heavy == "[]"
    # Seconds of processor time: other work on the machine does not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
