"""What is published: the version, the changelog's section, archives in a fixed form, licences."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from ferflow import version as version_module
from scripts import release
from tests.conftest import REPOSITORY

_LOG = """# Changelog

## Unreleased

### Added
- New.

## 1.2.0 - 2026-11-01

- Old.

## 1.1.0

Nothing.
"""


@pytest.mark.parametrize(("name", "held"), [("Unreleased", "### Added\n- New.\n"), ("1.2.0", "- Old.\n")])
def test_the_section_of_a_version_is_read(name, held):
    assert release.changelog_section(_LOG, name) == held


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("1.3.0", "no section '## 1.3.0'"),
        ("1.2", "no section '## 1.2'"),
        ("1.1.0", "has no line that begins"),
    ],
)
def test_a_missing_or_empty_section_is_refused(name, said):
    with pytest.raises(release.NotReadyError, match=said):
        release.changelog_section(_LOG, name)


def _packed(names: list[str], time: int, mode: int, owner: int) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uid = len(name), time, mode, owner
            archive.addfile(member, io.BytesIO(name.encode()))
    return written.getvalue()


def test_archives_of_equal_content_become_equal_bytes():
    one = _packed(["b", "a"], time=5, mode=0o600, owner=1)
    other = _packed(["a", "b"], time=9, mode=0o664, owner=2)
    assert one != other
    assert release.in_fixed_form(one, 100) == release.in_fixed_form(other, 100)
    with tarfile.open(fileobj=io.BytesIO(release.in_fixed_form(one, 100))) as archive:
        members = [(entry.name, entry.mtime, entry.mode, entry.uid) for entry in archive]
        assert members == [("a", 100, 0o644, 0), ("b", 100, 0o644, 0)]
        assert archive.extractfile("b").read() == b"b"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "LICENSE or NOTICE is missing"),
        (
            {"licenses/LICENSE": "", "licenses/NOTICE": "  ferflow/known/  ours\n"},
            "whose ferflow/new/font.woff is",
        ),
    ],
)
def test_a_wheel_without_a_licence_of_what_it_holds_is_refused(tmp_path, files, said):
    wheel = tmp_path / "ferflow-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("ferflow/a.py", "ferflow/py.typed", "ferflow/known/page.html", "ferflow/new/font.woff"):
            archive.writestr(name, "")
        for name, text in files.items():
            archive.writestr(f"ferflow-1.dist-info/{name}", text)
    with pytest.raises(release.NotReadyError, match=said):
        release.check_licences(wheel)


def test_what_names_the_version_agrees():
    """As a release wants it: the citation, the Makefile's image and the pipelines' image."""
    (named,) = re.findall(r"^version: (.*)$", (REPOSITORY / "CITATION.cff").read_text(), re.M)
    release.check_places(named)
    with pytest.raises(
        release.NotReadyError, match=r"CITATION.cff: version .*, expected 99.0 as the tag says"
    ):
        release.check_places("99.0")


def test_two_builds_that_differ_are_named(tmp_path):
    for name, text in (("first", "a"), ("second", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.txt").write_text("same")
        (tmp_path / name / "other.txt").write_text(text)
    with pytest.raises(release.NotReadyError, match=r"other\.txt") as caught:
        release.same_bytes(tmp_path / "first", tmp_path / "second")
    assert "same.txt" not in str(caught.value)


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository of its own with one commit, which stands for the code's."""
    (tmp_path / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    _git(tmp_path, "init", "--quiet")
    _commit(tmp_path)
    monkeypatch.setattr(version_module, "_CHECKOUT", tmp_path)
    return tmp_path


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def _commit(folder: Path) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")


@pytest.mark.parametrize(
    ("tag", "later", "changed", "expected"),
    [
        (None, 0, False, r"0\.1\.dev1"),
        (None, 2, True, r"0\.1\.dev3"),
        ("v1.2.3", 0, False, r"1\.2\.3"),
        ("v1.2.3", 0, True, r"1\.2\.4\.dev0"),
        ("v1.2.3", 2, False, r"1\.2\.4\.dev2"),
        ("v2", 1, False, r"3\.dev1"),
        ("data-2026", 0, False, r"0\.1\.dev1"),
    ],
)
def test_the_version_follows_the_tag_as_a_build_does(checkout, tag, later, changed, expected):
    if tag:
        _git(checkout, "tag", tag)
    for _ in range(later):
        _commit(checkout)
    if changed:
        changed_text = (checkout / "pyproject.toml").read_text() + "\n"
        (checkout / "pyproject.toml").write_text(changed_text)
    version_module.version.cache_clear()
    found = version_module.version()
    version_module.version.cache_clear()
    assert re.fullmatch(rf"{expected}(\+g[0-9a-f]{{7,40}}(\.dirty)?)?", found)
    assert found.endswith(".dirty") is changed
    command = [sys.executable, "-m", "setuptools_scm", "--root", str(checkout)]
    built = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()
    assert Version(built).public == Version(found).public


def test_code_outside_a_checkout_has_the_installed_version(tmp_path, monkeypatch):
    monkeypatch.setattr(version_module, "_CHECKOUT", tmp_path)
    version_module.version.cache_clear()
    assert version_module.version() == version_module.metadata.version("ferflow")
    monkeypatch.setattr(version_module.metadata, "version", _not_found)
    version_module.version.cache_clear()
    assert version_module.version() == "0.0"
    version_module.version.cache_clear()


def _not_found(name: str) -> str:
    raise version_module.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name
)
def test_workflows_pin_their_actions_and_ask_for_no_right_to_write(path):
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    for job in flow["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40)), step
        writes = "write" in job.get("permissions", {}).values()
        assert writes is (path.name == "release.yml")


def test_the_notice_says_whose_each_file_of_the_package_is():
    places = re.findall(r"^  (ferflow/\S+)", (REPOSITORY / "NOTICE").read_text(encoding="utf-8"), re.M)
    listed = subprocess.run(
        ["git", "ls-files", "src/ferflow"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    names = [name.removeprefix("src/") for name in listed.stdout.split()]
    others = [name for name in names if not name.endswith((".py", "/py.typed"))]
    assert len(others) > 10
    assert [name for name in others if not name.startswith(tuple(places))] == []
    assert [place for place in places if not any(name.startswith(place) for name in others)] == []
