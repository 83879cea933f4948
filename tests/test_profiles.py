"""Profiles and `params.yaml`."""

from __future__ import annotations

import shutil

import pytest

from ferflow.errors import ParamsError
from ferflow.params import load_params
from ferflow.profiles import load_profile, write_profile
from tests.conftest import REPOSITORY

PROFILES = REPOSITORY / "profiles"


@pytest.mark.parametrize("name", ["sample", "cpu", "paper", "best", "compact"])
def test_load_profile_is_valid_and_says_its_name(name):
    assert load_profile(name, profiles=PROFILES).profile == name


def test_params_in_git_are_profile_sample():
    assert (REPOSITORY / "params.yaml").read_bytes() == (PROFILES / "sample.yaml").read_bytes()


def test_write_profile_copies_comments_and_order(tmp_path):
    write_profile("cpu", [], profiles=PROFILES, target=tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text() == (PROFILES / "cpu.yaml").read_text()


def test_write_profile_sets_typed_values(tmp_path):
    target = tmp_path / "params.yaml"
    write_profile(
        "cpu",
        [
            "train.epochs=3",
            "download.source=archive",
            "download.path=a b.zip",
            "model.widths=[8, 16, 32, 64]",
        ],
        profiles=PROFILES,
        target=target,
    )
    params = load_params(target)
    assert (params.train.epochs, params.download.path) == (3, "a b.zip")
    assert params.model.widths == [8, 16, 32, 64]
    assert "# " in target.read_text()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("train.epoch=3", "unknown key 'train.epoch'"),
        ("train=3", "unknown key 'train'"),
        ("train.epochs", "no value given"),
        ("train.epochs=0", "greater than or equal to 1"),
        ("train.epochs=[1", "not YAML"),
    ],
)
def test_write_profile_refuses_a_bad_change_and_writes_nothing(tmp_path, change, expected):
    target = tmp_path / "params.yaml"
    target.write_text("mine")
    with pytest.raises(ParamsError, match=expected):
        write_profile("sample", [change], profiles=PROFILES, target=target)
    assert target.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_write_profile_names_the_known_profiles(tmp_path):
    with pytest.raises(ParamsError, match="best, compact, cpu, paper, sample"):
        write_profile("gpu", [], profiles=PROFILES, target=tmp_path / "params.yaml")


def test_write_profile_keeps_an_edited_file_beside(tmp_path):
    target = tmp_path / "params.yaml"
    edited = (PROFILES / "sample.yaml").read_text().replace("seed: 20131", "seed: 7")
    target.write_text(edited)
    backup = write_profile("cpu", [], profiles=PROFILES, target=target)
    assert backup == tmp_path / "params.yaml.bak1"
    target.write_text("mine: 2\n")
    assert write_profile("cpu", [], profiles=PROFILES, target=target) == tmp_path / "params.yaml.bak2"
    assert backup.read_text() == edited


def test_write_profile_names_a_damaged_profile(tmp_path):
    (tmp_path / "cpu.yaml").write_text("train: [1")
    with pytest.raises(ParamsError, match=r"cpu\.yaml: not readable as YAML"):
        write_profile("cpu", [], profiles=tmp_path, target=tmp_path / "params.yaml")


def test_write_profile_without_profiles_names_the_cure(tmp_path):
    with pytest.raises(ParamsError, match="run the command in the repository's folder"):
        write_profile("cpu", [], profiles=tmp_path / "profiles", target=tmp_path / "params.yaml")


def test_write_profile_needs_no_backup_of_a_profile(tmp_path):
    target = tmp_path / "params.yaml"
    shutil.copy(PROFILES / "sample.yaml", target)
    assert write_profile("cpu", [], profiles=PROFILES, target=target) is None
