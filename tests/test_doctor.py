"""The doctor: what it finds and the cures."""

from __future__ import annotations

import pytest

from ferflow import doctor
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
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    checks = doctor.check_machine(REPOSITORY / "params.yaml")
    assert [check.subject for check in checks] == [
        "python", "disk", "backend", "dvc", "params", "data", "detector",
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


def test_a_full_disk_is_found(tmp_path, sample_values, monkeypatch):
    usage = doctor.shutil.disk_usage(tmp_path)._replace(free=2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    check = _by_subject(doctor.check_machine(_with(tmp_path, sample_values)))["disk"]
    assert not check.passed
    assert check.finding == "1 GiB free"
