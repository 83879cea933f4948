"""Profiles and `params.yaml`."""

from __future__ import annotations

import shutil

import pytest

from ferflow.errors import ParamsError
from ferflow.params import load_params, whole_text
from ferflow.profiles import change_values, load_profile, write_profile
from tests.conftest import REPOSITORY

PROFILES = REPOSITORY / "profiles"


@pytest.mark.parametrize("name", ["sample", "cpu", "paper", "best", "compact"])
def test_load_profile_is_valid_and_says_its_name(name):
    assert load_profile(name, profiles=PROFILES).profile == name


def test_params_in_git_are_profile_sample():
    assert (REPOSITORY / "params.yaml").read_text() == whole_text(PROFILES / "sample.yaml")


@pytest.mark.parametrize("name", ["sample", "cpu", "paper", "best", "compact"])
def test_write_profile_writes_every_key_with_its_comment(tmp_path, name):
    target = tmp_path / "params.yaml"
    write_profile(name, [], profiles=PROFILES, target=target)
    text = target.read_text()
    assert load_params(target) == load_profile(name, profiles=PROFILES)
    assert text.startswith(f"# Profile {name}: ")
    assert f"# Written to params.yaml by `ferflow profile {name}`; edit that freely" in text
    base = (PROFILES / "base.yaml").read_text()
    assert [line.split(":")[0] for line in text.splitlines() if "#" in line[1:]] == [
        line.split(":")[0] for line in base.splitlines() if "#" in line[1:]
    ]


def _profile(folder, text, name="mine"):
    shutil.copy(PROFILES / "base.yaml", folder)
    (folder / f"{name}.yaml").write_text(text)
    return folder / f"{name}.yaml"


def test_a_profile_changes_the_keys_that_it_names_and_no_others(tmp_path):
    path = _profile(
        tmp_path,
        "# Mine.\nseed: 7\n\nmodel:\n  widths: [8]   # narrow\n  depths: [1, 1, 1, 1, 1, 1, 1, 1]\n\n"
        "tune:\n  space:\n    - {key: train.momentum, kind: choice, choices: [0.8, 0.9]}\n",
    )
    before, after = (whole.splitlines() for whole in ((PROFILES / "base.yaml").read_text(), whole_text(path)))
    fresh = [line for line in after if line not in before]
    assert fresh == [
        "# Mine.",
        "# Written to params.yaml by `ferflow profile mine`; edit that freely, or try one value with",
        "profile: mine",
        "seed: 7",
        "  widths: [8]   # narrow",
        "  depths: [1, 1, 1, 1, 1, 1, 1, 1]  # residual blocks a stage of resnet_v2",
        "    - {key: train.momentum, kind: choice, choices: [0.8, 0.9]}",
    ]
    assert [line for line in after if not line] == [line for line in before if not line]


def test_a_whole_file_is_a_profile_as_well(tmp_path):
    text = (REPOSITORY / "params.yaml").read_text()
    assert whole_text(_profile(tmp_path, text, "sample")) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: [1", r"mine\.yaml: not readable as YAML"),
        ("- 1\n", r"mine\.yaml: holds list, expected a mapping"),
        ("train: {epochs: 3}\n", r"mine\.yaml: is not written as base\.yaml is"),
        ("train:\n    epochs: 3\n", r"mine\.yaml: is not written as base\.yaml is"),
        ("train:\n  epochs: many\n", r"mine\.yaml: train\.epochs: 'many' found"),
        ("train:\n  epoch: 3\n", r"mine\.yaml: train\.epoch: unknown key"),
        ("training:\n  epochs: 3\n", r"mine\.yaml: training: unknown key"),
    ],
)
def test_a_profile_that_cannot_be_merged_is_one_clear_error(tmp_path, text, expected):
    with pytest.raises(ParamsError, match=expected):
        load_params(_profile(tmp_path, text))


def test_changing_a_profile_adds_the_keys_that_it_lacks(tmp_path):
    path = _profile(tmp_path, "# Mine.\n\nmodel:\n  widths: [8, 8]   # narrow\n  depths: [1, 1]\n\nseed: 7\n")
    change_values(path, {"model.widths": [4, 4], "model.dropout_head": 0.3, "train.epochs": 9})
    assert path.read_text() == (
        "# Mine.\n\nmodel:\n  widths: [4, 4]   # narrow\n  depths: [1, 1]\n  dropout_head: 0.3\n\nseed: 7\n\n"
        "train:\n  epochs: 9\n"
    )
    with pytest.raises(ParamsError, match=r"train\.epochs: 0 found"):
        change_values(path, {"train.epochs": 0})
    assert "epochs: 9" in path.read_text()


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
    for name in ("gpu", "base"):
        with pytest.raises(ParamsError, match=r"known are best, compact, cpu, paper, sample$"):
            write_profile(name, [], profiles=PROFILES, target=tmp_path / "params.yaml")


def test_write_profile_keeps_an_edited_file_beside(tmp_path):
    target = tmp_path / "params.yaml"
    edited = (REPOSITORY / "params.yaml").read_text().replace("seed: 20131", "seed: 7")
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
    shutil.copy(REPOSITORY / "params.yaml", target)
    assert write_profile("cpu", [], profiles=PROFILES, target=target) is None


def test_a_key_that_may_be_left_out_is_added_at_the_end_of_its_section(tmp_path):
    target = tmp_path / "params.yaml"
    write_profile("cpu", ["augment.cutmix=0.5"], profiles=PROFILES, target=target)
    assert load_params(target).augment.model_dump()["cutmix"] == 0.5
    lines = target.read_text().splitlines()
    place = lines.index("  cutmix: 0.5")
    assert lines[place - 1].startswith("  mixup:")
    assert lines[place + 1 : place + 3] == ["", "train:"]
    change_values(target, {"model.mobilenet_width": 0.5, "augment.cutmix": 0.7})
    assert load_params(target).model.model_dump()["mobilenet_width"] == 0.5
    assert "  cutmix: 0.7" in target.read_text().splitlines()
