"""The Dockerfile: what can be seen of it without an engine, and its package step for real."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.settings import load_settings
from tests.conftest import REPOSITORY

_TEXT = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def _instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined."""
    lines = [line for line in _TEXT.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def _stages() -> list[list[tuple[str, str]]]:
    stages: list[list[tuple[str, str]]] = []
    for instruction, rest in _instructions():
        if instruction == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((instruction, rest))
    return stages


def test_the_base_is_pinned_by_digest_and_all_stages_share_it():
    (base,) = (rest for instruction, rest in _instructions() if rest.startswith("PYTHON="))
    assert re.fullmatch(r"PYTHON=python:3\.11[a-z-]*@sha256:[0-9a-f]{64}", base)
    assert [stage[0][1].split()[0] for stage in _stages()] == ["${PYTHON}", "${PYTHON}"]


def test_the_last_stage_installs_nothing_and_is_not_root():
    last = _stages()[-1]
    users = [rest for instruction, rest in last if instruction == "USER"]
    assert users == ["10001:10001"]
    assert not any("pip" in rest or "apt" in rest for instruction, rest in last if instruction == "RUN")
    assert [rest for instruction, rest in last if instruction == "COPY"] == [
        "--from=build /opt/ferflow /opt/ferflow"
    ]


def test_packages_come_from_the_lock_with_hashes():
    installs = [rest for instruction, rest in _instructions() if "pip install" in rest]
    assert installs[0] == "pip install --require-hashes --requirement requirements.txt"
    assert installs[1].startswith('case "$ACCELERATOR" in')
    assert "--constraint installed.txt" in installs[1]
    assert installs[2:] == [
        'SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FERFLOW="$VERSION" pip install --no-deps --no-build-isolation .'
    ]


def test_every_copied_file_is_in_the_context():
    wanted = [
        name for instruction, rest in _stages()[0] if instruction == "COPY" for name in rest.split()[:-1]
    ]
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert set(wanted) == allowed
    assert all((REPOSITORY / name).exists() for name in wanted)


def test_the_image_is_named_as_the_settings_and_the_version_say():
    (version,) = re.findall(r"^version: (.*)$", (REPOSITORY / "CITATION.cff").read_text(), re.M)
    name = load_settings().image.name
    assert "/" in name or name == f"ferflow:{version}"  # One with a registry is a user's own.
    printed = subprocess.run(
        ["make", "--dry-run", "image"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert f"--tag ferflow:{version} ." in printed.stdout


def test_the_image_says_what_it_is_and_which_version():
    (labels,) = (rest for instruction, rest in _stages()[-1] if instruction == "LABEL")
    prefix = "org.opencontainers.image"
    assert f'{prefix}.version="$VERSION"' in labels
    assert f'{prefix}.revision="$COMMIT"' in labels
    assert f'{prefix}.licenses="Apache-2.0"' in labels
    for stage in _stages():
        assert "VERSION=0.0" in [rest for instruction, rest in stage if instruction == "ARG"]


def test_the_lock_has_what_a_step_needs_in_the_image():
    """The package itself is installed without its dependencies: nothing else would bring them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in ("train", "tracking", "tuning", "export", "cluster", "kaggle", "jax"):
        needed += project["project"]["optional-dependencies"][extra]
    python = {**default_environment(), "python_version": "3.11", "python_full_version": "3.11.0"}
    locked = {}
    for line in (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            entry = Requirement(line.removesuffix("\\"))
            if entry.marker is None or entry.marker.evaluate(python):
                locked[canonicalize_name(entry.name)] = str(entry.specifier).removeprefix("==")
    for wanted in map(Requirement, needed):
        assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), wanted


# Stands for pip, and prints what it is asked to install.
_PIP = """#!/bin/sh
case "$1" in
  freeze) printf 'jax==0.10.2\\njaxlib==0.10.3\\ntensorflow==2.21.0\\ntensorflow-text==9\\n' ;;
  *) echo "$@" ;;
esac
"""


@pytest.mark.parametrize(
    ("accelerator", "code", "printed"),
    [
        ("cpu", 0, ""),
        ("cuda", 0, "install --constraint installed.txt tensorflow[and-cuda]==2.21.0\n"),
        ("cuda-jax", 0, "install --constraint installed.txt jax[cuda12]==0.10.2\n"),
        ("gpu", 1, "ACCELERATOR is 'gpu', expected cpu, cuda or cuda-jax\n"),
    ],
)
def test_the_choice_of_an_accelerator_is_a_script_that_runs(tmp_path, accelerator, code, printed):
    (script,) = (rest for instruction, rest in _instructions() if rest.startswith("case "))
    (tmp_path / "pip").write_text(_PIP)
    (tmp_path / "pip").chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=tmp_path,
        env={"ACCELERATOR": accelerator, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, printed)


def test_the_package_step_installs_every_file_that_the_code_reads(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(tmp_path / "wheels"), "."]
    subprocess.run(command, cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    packed = set(zipfile.ZipFile(wheel).namelist())
    source = tmp_path / "src"
    wanted = {str(path.relative_to(source)) for path in (source / "ferflow").rglob("*") if path.is_file()}
    assert "ferflow/cluster/steps.py" in wanted
    assert wanted <= packed
