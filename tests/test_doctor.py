"""The doctor: what it finds and the cures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferflow import doctor, path_hook
from ferflow.profiles import load_profile
from tests.conftest import REPOSITORY


def _by_subject(checks):
    return {check.subject: check for check in checks}


def _with(tmp_path, sample_values, **download):
    from ruamel.yaml import YAML

    sample_values["download"] |= download
    path = tmp_path / "params.yaml"
    with path.open("w") as stream:
        YAML().dump(sample_values, stream)
    return path


def test_a_set_up_repository_passes(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(doctor.path_hook, "is_installed", lambda: True)
    checks = doctor.check_machine(REPOSITORY / "params.yaml")
    assert [check.subject for check in checks] == [
        "python", "git", "dvc", "path", "backend", "params", "disk", "data", "detector", "store",
    ]  # fmt: skip
    assert all(check.passed for check in checks), checks


def test_a_folder_that_is_no_repository_names_the_cure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checks = _by_subject(doctor.check_machine(tmp_path / "params.yaml"))
    assert not checks["dvc"].passed
    assert not checks["params"].passed
    assert "ferflow profile sample" in checks["params"].cure


@pytest.mark.parametrize(
    ("changes", "subject", "finding"),
    [
        ({"source": "archive", "path": "absent.zip"}, "data", "archive absent.zip"),
        ({"detector": "absent.onnx"}, "detector", "absent.onnx"),
    ],
)
def test_absent_files_are_found(tmp_path, sample_values, changes, subject, finding):
    check = _by_subject(doctor.check_machine(_with(tmp_path, sample_values, **changes)))[subject]
    assert not check.passed
    assert check.finding == finding
    assert check.cure


@pytest.mark.parametrize(("free", "passed"), [(2**28, False), (2**31, True)])
def test_the_disk_is_measured_by_the_profile_at_hand(tmp_path, sample_params, monkeypatch, free, passed):
    usage = doctor.shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    check = doctor._check_disk(tmp_path, sample_params)
    assert check.passed is passed
    assert "GiB needed by profile sample" in check.finding


def test_a_large_network_needs_a_larger_disk(sample_params):
    paper = load_profile("paper", profiles=REPOSITORY / "profiles")
    assert doctor.needed_bytes(sample_params) < 2**30 < 3 * 2**30 < doctor.needed_bytes(paper) < 8 * 2**30


def _git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def test_a_downloaded_zip_has_no_repository(tmp_path):
    check = doctor._check_git(tmp_path)
    assert not check.passed
    assert "is in no git repository" in check.finding
    assert "git init" in check.cure
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    assert doctor._check_git(tmp_path).passed


def test_a_repository_without_a_commit_is_found(tmp_path):
    _git(tmp_path, "init")
    check = doctor._check_git(tmp_path)
    assert not check.passed
    assert "no commit yet" in check.finding
    assert "git commit" in check.cure


def test_a_folder_of_another_user_names_the_setting_of_git(tmp_path, monkeypatch):
    _git(tmp_path, "init")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    check = doctor._check_git(tmp_path)
    assert not check.passed
    assert "belongs to another user" in check.finding
    assert f"safe.directory {tmp_path}" in check.cure


def test_git_that_is_not_installed_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor._check_git(tmp_path)
    assert (check.passed, check.finding) == (False, "not installed")


def test_an_environment_that_is_not_activated_passes_when_python_finds_its_programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".dvc").mkdir()
    assert doctor._check_dvc(tmp_path).passed
    assert "call it as" in doctor._check_dvc(tmp_path).finding
    monkeypatch.setattr(doctor.path_hook, "is_installed", lambda: True)
    assert doctor._check_path().passed
    monkeypatch.setattr(doctor.path_hook, "is_installed", lambda: False)
    check = doctor._check_path()
    assert not check.passed
    assert "activate" in check.cure


def test_the_line_adds_the_programs_of_the_environment_at_the_end(tmp_path):
    folder = str(Path(sys.executable).parent)
    for before, after in ((None, None), ("/usr/bin", f"/usr/bin{os.pathsep}{folder}"), (folder, folder)):
        environment = {name: value for name, value in os.environ.items() if name != "PATH"}
        environment |= {} if before is None else {"PATH": before}
        printed = subprocess.run(
            [sys.executable, "-S", "-c", f"{path_hook.LINE}\nprint(os.environ['PATH'])"],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        assert printed == after or (after is None and printed.endswith(folder))


def test_the_line_is_written_whole_and_only_into_an_environment(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(path_hook, "place", lambda: tmp_path / path_hook.NAME)
    assert not path_hook.is_installed()
    assert path_hook.install()
    assert path_hook.is_installed()
    assert path_hook.LINE.startswith("import ")
    assert path_hook.LINE.count("\n") == 1
    (tmp_path / path_hook.NAME).unlink()
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    assert not path_hook.install()
    assert "no virtual environment" in capsys.readouterr().err
    assert not path_hook.is_installed()


def test_a_store_that_is_not_there_yet_is_no_problem_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    check = doctor._check_store(tmp_path)
    assert check.passed
    assert "made by the first run" in check.finding
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("uri", "finding", "cure"),
    [
        ("http://127.0.0.1:1", "connection refused", "start the server"),
        ("http://host:x", "host or port", "expected http://HOST:PORT"),
        ("./mlruns", "folder of files", "expected"),
    ],
)
def test_a_store_that_cannot_be_used_has_its_cure(tmp_path, monkeypatch, uri, finding, cure):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    check = doctor._check_store(tmp_path)
    assert not check.passed
    assert finding in check.finding
    assert cure in check.cure


def test_a_store_is_written_to_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    check = doctor._check_store(tmp_path)
    assert check.passed
    assert check.finding.endswith("elsewhere.db: reached, and can be written")


def test_a_machine_that_tracks_nothing_needs_no_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FERFLOW_TRACKING", "off")
    assert doctor._check_store(tmp_path).passed
