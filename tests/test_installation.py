"""What `make install` does: which Pythons it takes, what the lock holds for each, and what uv is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections import Counter

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from scripts import locked
from tests.conftest import REPOSITORY

_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
_VERSIONS = ("3.11", "3.12", "3.13")
_SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}


def _locked_requirements() -> list[Requirement]:
    text = (REPOSITORY / "requirements.txt").read_text().replace("\\\n", " ")
    return [Requirement(line.split(" --hash")[0]) for line in text.splitlines() if "==" in line]


def _environment(version: str, system: str) -> dict[str, str]:
    platform_system, os_name = _SYSTEMS[system]
    changed = {"python_version": version, "python_full_version": f"{version}.1", "sys_platform": system}
    return {**default_environment(), **changed, "platform_system": platform_system, "os_name": os_name}


def _fits(marker: Marker | None, version: str, system: str) -> bool:
    return marker is None or marker.evaluate(_environment(version, system))


@pytest.mark.parametrize("system", _SYSTEMS)
@pytest.mark.parametrize("version", _VERSIONS)
def test_the_lock_holds_each_dependency_once_on_every_python_and_system(version, system):
    counts = Counter(
        canonicalize_name(found.name)
        for found in _locked_requirements()
        if _fits(found.marker, version, system)
    )
    assert [name for name, count in counts.items() if count > 1] == []
    extras = [line for lines in _PROJECT["optional-dependencies"].values() for line in lines]
    for wanted in map(Requirement, [*_PROJECT["dependencies"], *extras]):
        assert counts[canonicalize_name(wanted.name)] == 1, wanted


def test_every_place_names_the_same_pythons():
    classifiers = [line.rsplit(" :: ", 1)[1] for line in _PROJECT["classifiers"] if "Python :: 3." in line]
    makefile = (REPOSITORY / "Makefile").read_text()
    assert tuple(classifiers) == _VERSIONS
    assert re.search(r"^VERSIONS := (.*)$", makefile, re.M)[1].split() == list(_VERSIONS)
    allowed = SpecifierSet(_PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(9, 16) if f"3.{minor}.1" in allowed] == list(_VERSIONS)


def test_a_python_that_ferflow_does_not_run_on_is_refused_by_name(tmp_path):
    python = tmp_path / "python3.10"
    python.write_text("#!/bin/sh\necho /usr/bin/python3.10 3.10\n")
    python.chmod(0o755)
    command = ["make", "--dry-run", "--directory", str(REPOSITORY), "install", f"PYTHON={python}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "ferflow needs Python 3.11 3.12 or 3.13, found /usr/bin/python3.10 3.10" in done.stderr


@pytest.mark.parametrize("version", _VERSIONS)
def test_an_environment_keeps_its_python_when_the_lock_changes(tmp_path, version):
    """Also where pyenv alone has that one, and another one is on the PATH."""
    versions = {"bin": "3.11", **{f"pyenv/versions/{number}.1/bin": number for number in _VERSIONS}}
    for folder, number in versions.items():
        python = tmp_path / folder / f"python{number}"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\necho {python} {number}\n")
        python.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "requirements-uv.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    stamp = tmp_path / ".venv" / f".installed-{version}"
    stamp.parent.mkdir()
    stamp.touch()
    os.utime(stamp, (0, 0))
    done = subprocess.run(
        ["make", "--dry-run", "install"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv")},
        capture_output=True,
        text=True,
    )
    made_by = re.search(r'^"(.*)" -m venv', done.stdout, re.M)[1]
    assert made_by.endswith(f"/python{version}")


def test_what_is_set_for_pip_is_read_variables_before_files(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/all\ntimeout = 20\nproxy = http://proxy.example:1\n"
        "[install]\nindex-url = https://mirror.example/install\nextra-index-url = https://a.example\n"
        "    https://b.example\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_TIMEOUT", "30")
    settings = locked.pip_settings()
    environment = locked.uv_environment(settings, {})
    assert environment["UV_DEFAULT_INDEX"] == "https://mirror.example/install"
    assert environment["UV_INDEX"] == "https://a.example https://b.example"
    assert environment["UV_HTTP_TIMEOUT"] == "30"
    assert environment["ALL_PROXY"] == "http://proxy.example:1"


def test_a_lock_is_made_without_the_packages_that_lie_on_this_machine():
    settings = {
        "index-url": "https://mirror.example/all",
        "extra-index-url": "file:///opt/index https://a.example",
        "find-links": "/opt/wheels",
    }
    assert locked.for_every_machine(settings) == {
        "index-url": "https://mirror.example/all",
        "extra-index-url": "https://a.example",
    }
    assert locked.for_every_machine({"find-links": "/opt/wheels"}) == {}


def test_what_is_set_for_uv_stays():
    environment = locked.uv_environment(
        {"index-url": "https://pip.example"}, {"UV_DEFAULT_INDEX": "https://uv.example", "HOME": "/home"}
    )
    assert environment["UV_DEFAULT_INDEX"] == "https://uv.example"
    assert environment["HOME"] == "/home"


@pytest.mark.parametrize(
    ("failing", "done"),
    [
        ((), ["pip uv", "uv lock", "uv self"]),
        (("pip uv",), ["pip uv", "pip lock", "pip self"]),
        (("uv lock",), ["pip uv", "uv lock", "pip lock", "pip self"]),
        (("pip uv", "pip lock"), ["pip uv", "pip lock"]),
    ],
)
def test_pip_installs_where_uv_cannot(monkeypatch, capsys, failing, done):
    calls: list[str] = []

    def install(tool: str, arguments: tuple[str, ...]) -> bool:
        part = {str(locked.UV_LOCK): "uv", str(locked.LOCK): "lock", str(locked.ROOT): "self"}[arguments[-1]]
        calls.append(f"{tool} {part}")
        return calls[-1] not in failing

    monkeypatch.setattr(locked, "pip", lambda *arguments: install("pip", arguments))
    monkeypatch.setattr(locked, "uv", lambda *arguments: install("uv", arguments))
    assert locked.install() is ("pip lock" not in failing)
    assert calls == done
    assert ("takes some minutes" in capsys.readouterr().err) is bool(failing)


def test_uv_is_locked_by_hashes_and_no_lock_names_an_address():
    text = (REPOSITORY / "requirements-uv.txt").read_text()
    assert re.match(r"uv==[\d.]+ \\\n    --hash=sha256:[0-9a-f]{64}", text)
    text += (REPOSITORY / "requirements-release.txt").read_text()
    assert not re.search(r"https?://", text + (REPOSITORY / "requirements.txt").read_text())
