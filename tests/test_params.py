"""Parameters: what is accepted, and what the error says about what is not."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
from ruamel.yaml import YAML

from ferflow.errors import ParamsError
from ferflow.params import check_params, load_params, read_yaml
from tests.conftest import REPOSITORY


def test_check_params_accepts_the_sample(sample_values):
    found = check_params(sample_values, origin="params.yaml").model_dump()
    # Options of entries that have a default value need not be in the file.
    optional = {
        "download": {"image_column": None, "label_column": None},
        "model": {"mobilenet_width": 1.0},
        "augment": {"cutmix": 0.0, "grid_mask": 0.0, "grid_mask_kept": 0.6},
    }
    for section, keys in optional.items():
        sample_values[section] |= keys
    assert found == sample_values


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model.dropout_head", 1.2, "less than 1"),
        ("model.dropout_features", -0.1, "greater than or equal to 0"),
        ("model.unfreeze_layers", "some", "'all'"),
        ("model.backbone", "vgg", "resnet50v2"),
        ("model.image_size", 8, "greater than or equal to 32"),
        ("train.learning_rate", math.nan, "finite number"),
        ("train.learning_rate", 0.0, "greater than 0"),
        ("train.batch_size", 0, "greater than or equal to 1"),
        ("train.batch_size", "64", "valid integer"),
        ("train.epochs", 2.5, "valid integer"),
        ("train.optimizer", "rmsprop", "adam"),
        ("train.ema_momentum", 1.0, "less than 1"),
        ("augment.erasing", 1.5, "less than or equal to 1"),
        ("augment.erasing_area", 0.0, "greater than 0"),
        ("augment.mixup", -1.0, "greater than or equal to 0"),
        ("evaluate.test_time_augmentation", "tencrop", "ten_crop"),
        ("augment.flip", "yes", "valid boolean"),
        ("augment.zoom", math.inf, "finite number"),
        ("split.scheme", "folds", "paper"),
        ("split.validation_share", 0.9, "less than 0.5"),
        ("download.sha256", "abc", "pattern"),
        ("seed", -1, "greater than or equal to 0"),
    ],
)
def test_check_params_names_key_value_and_range(sample_values, key, value, expected):
    _set(sample_values, key, value)
    with pytest.raises(ParamsError) as caught:
        check_params(sample_values, origin="params.yaml")
    message = str(caught.value)
    assert "params.yaml" in message
    assert f"{key}: {value!r} found" in message
    assert expected in message


def test_check_params_names_an_unknown_key(sample_values):
    sample_values["train"]["lerning_rate"] = 0.1
    with pytest.raises(ParamsError, match=r"train\.lerning_rate: unknown key \(value 0\.1\)"):
        check_params(sample_values, origin="params.yaml")


@pytest.mark.parametrize("key", ["strategy", "augment.strength", "model.interpolation", "model.literal"])
def test_check_params_names_an_unknown_key_whole(sample_values, key):
    *sections, last = key.split(".")
    (sample_values[sections[0]] if sections else sample_values)[last] = 1
    with pytest.raises(ParamsError, match=rf"params\.yaml: {key}: unknown key"):
        check_params(sample_values, origin="params.yaml")


def test_check_params_names_a_missing_key(sample_values):
    del sample_values["train"]["epochs"]
    with pytest.raises(ParamsError, match=r"train\.epochs: missing"):
        check_params(sample_values, origin="params.yaml")


_DENSE = {"key": "model.dense_units", "kind": "choice", "choices": [0, 64]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"download.source": "archive"}, "needs the path"),
        ({"download.path": "fer2013.zip"}, r"download\.path is 'fer2013\.zip', but source sample has none"),
        ({"model.weights": "imagenet"}, "weights imagenet do not exist"),
        ({"model.backbone": "resnet50v2", "model.weights": "imagenet"}, "do not fit stem stride2"),
        ({"model.depths": [1]}, "one of each a stage"),
        ({"train.optimizer": "adam", "train.weight_decay": 0.1}, "use adamw"),
        (
            {"train.unfreeze": [{"epoch": 999, "layers": 3}]},
            r"train\.unfreeze has stages from epochs \[999\]",
        ),
        (
            {"train.unfreeze": [{"epoch": 3, "layers": 3}, {"epoch": 2, "layers": 9}]},
            r"expected rising numbers up to epochs \(20\)",
        ),
        ({"train.devices": 3, "train.batch_size": 16}, "which 3 devices cannot share evenly"),
        ({"tune.space": [_DENSE, _DENSE]}, r"has model\.dense_units twice; give each key one entry"),
        ({"train.warmup_epochs": 100.0}, r"train\.warmup_epochs is 100, expected less than epochs"),
    ],
)
def test_check_params_names_keys_that_contradict_each_other(sample_values, changes, expected):
    for key, value in changes.items():
        _set(sample_values, key, value)
    with pytest.raises(ParamsError, match=expected):
        check_params(sample_values, origin="params.yaml")


def test_check_params_lists_every_problem(sample_values):
    _set(sample_values, "train.epochs", 0)
    _set(sample_values, "model.dropout_head", 2.0)
    with pytest.raises(ParamsError) as caught:
        check_params(sample_values, origin="params.yaml")
    assert "train.epochs" in str(caught.value)
    assert "model.dropout_head" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- 1\n", "mapping of sections"),
        (b"a: [1", "not readable as YAML"),
        (b"\xff\xfe\x00", "not readable"),
    ],
)
def test_load_params_says_what_is_wrong_with_the_file(tmp_path, content, expected):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ParamsError, match=expected) as caught:
        load_params(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!!int abc", "not readable as YAML"),
        ("!!float ''", "not readable as YAML"),
        ("!!timestamp soon", "not readable as YAML"),
        ("2026-13-45", "not readable as YAML"),
        ("9" * 5000, "not readable as YAML"),
        ("[" * 5000, "not readable as YAML"),
        ("&a [*a]", "an alias stands for what it is in"),
        ("[[[[1]]]]", "seed: [[[[...]]]] found"),
    ],
    ids=lambda value: value[:20],
)
def test_a_value_that_yaml_cannot_make_is_one_error(value, expected, sample_values, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"seed: {value}\nprofile: x\n", encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize("place", ["z", "seed", "download"])
def test_aliases_that_stand_for_millions_cost_no_memory(place, tmp_path):
    lines = ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join([*lines, f"{place}: *a9"]), encoding="utf-8")
    with pytest.raises(ParamsError, match=f"{path}: .*values, more than 100,000: too many aliases"):
        load_params(path)


def test_load_params_says_the_cure_for_a_missing_file(tmp_path):
    with pytest.raises(ParamsError, match="ferflow profile sample"):
        load_params(tmp_path / "params.yaml")


def _set(values: dict, key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values[section]
    values[last] = value


PATH_KEYS = [
    *(("download", key) for key in ("path", "votes", "detector")),
    ("model", "weights"),
    ("train", "teacher"),
]


@pytest.mark.parametrize(("section", "key"), PATH_KEYS)
def test_a_tilde_and_variables_in_paths_mean_what_they_mean_in_a_shell(
    sample_values, monkeypatch, section, key
):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("FER_DATA", "/data")
    sample_values["download"] |= {"source": "csv", "path": "x.csv"}
    for written, meant in (
        ("~/a b", "/home/someone/a b"),
        ("$FER_DATA/x", "/data/x"),
        ("${FER_DATA}x", "/datax"),
    ):
        sample_values[section][key] = written
        values = check_params(sample_values, origin="params.yaml")
        assert getattr(getattr(values, section), key) == meant
    sample_values[section][key] = "$NOT_SET_AT_ALL/x"
    with pytest.raises(ParamsError, match=rf"{section}\.{key}: .*variable NOT_SET_AT_ALL, which is not set"):
        check_params(sample_values, origin="params.yaml")


def test_a_file_that_is_older_than_some_keys_is_taken_as_it_was_meant(sample_values, capsys):
    values = copy.deepcopy(sample_values)
    whole = check_params(values, origin="params.yaml")
    assert capsys.readouterr().err == ""
    del values["download"]["map"]
    for key in ("teacher", "teacher_share", "teacher_temperature", "steps_per_dispatch"):
        del values["train"][key]
    assert check_params(values, origin="params.yaml") == whole
    told = capsys.readouterr().err
    assert told.startswith("params.yaml: is older than download.map, train.teacher, train.teacher_share, ")
    assert "train.steps_per_dispatch, which are taken" in told
    del values["train"]["epochs"]
    with pytest.raises(ParamsError, match=r"train.epochs: missing; add it"):
        check_params(values, origin="params.yaml")


def test_parameters_go_to_another_process_and_back(sample_params):
    """As those of a sweep's trials do."""
    again = pickle.loads(pickle.dumps(sample_params))  # noqa: S301 (our own)
    assert again == sample_params
    assert type(again.model) is type(sample_params.model)


def test_a_text_is_parsed_once_and_its_values_are_the_readers_own(tmp_path, monkeypatch):
    parsed, load = [], YAML.load
    monkeypatch.setattr(YAML, "load", lambda self, text: parsed.append(text) or load(self, text))
    path = tmp_path / "params.yaml"
    path.write_text((REPOSITORY / "params.yaml").read_text() + f"# {tmp_path}\n")
    first = read_yaml(path)
    first["model"]["widths"].append(7)
    second = read_yaml(path)
    assert second["model"]["widths"] == first["model"]["widths"][:-1]
    assert len(parsed) == 1
