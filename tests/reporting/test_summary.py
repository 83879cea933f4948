"""The closing summary of a run."""

from __future__ import annotations

import json

import pytest

from ferflow.errors import DataError
from ferflow.files import write_json
from ferflow.reporting.summary import summarise


def _write_reports(folder, source, params):
    figures = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "num_images": 1200}
    write_json(folder / "metrics.json", figures | {"leak_free": figures | {"num_images": 1100}})
    write_json(
        folder / "train.json",
        {
            "parameters": {"total": 12345},
            "best_epoch": 3,
            "epochs_run": 5,
            "val_accuracy": 0.65,
            "params": params.model_dump(include={"seed", "model", "augment", "train"}),
        },
    )
    write_json(folder / "download.json", {"source": source})


def test_summarise_gives_figures_and_where_to_look(tmp_path, sample_params):
    _write_reports(tmp_path, "archive", sample_params)
    text = summarise(tmp_path, sample_params)
    assert "0.7000  (0.6000 to 0.8000) on 1,200 test images" in text
    assert "on 1,100 without a copy in train or val" in text
    assert "12,345 parameters, best epoch 3 of 5" in text
    assert "report.html" in text
    assert (
        "'git add -A' and 'git commit' keep this state; then 'dvc exp run -S KEY=VALUE', 'ferflow compare'"
        in text
    )
    assert "drawn" not in text


def test_summarise_says_that_the_sample_is_drawn(tmp_path, sample_params):
    _write_reports(tmp_path, "sample", sample_params)
    assert "drawn faces" in summarise(tmp_path, sample_params)


def test_summarise_names_a_missing_report(tmp_path, sample_params):
    with pytest.raises(DataError, match=r"metrics\.json: not found; run 'dvc repro' first"):
        summarise(tmp_path, sample_params)


def test_summarise_says_when_no_image_is_leak_free(tmp_path, sample_params):
    _write_reports(tmp_path, "archive", sample_params)
    none = dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high")) | {"num_images": 0}
    figures = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "num_images": 12}
    write_json(tmp_path / "metrics.json", figures | {"leak_free": none})
    assert "leak-free  not defined: 0 without a copy in train" in summarise(tmp_path, sample_params)


def test_summarise_says_when_the_parameters_have_changed_since(tmp_path, sample_params):
    _write_reports(tmp_path, "sample", sample_params)
    assert "other parameters" not in summarise(tmp_path, sample_params)
    assert summarise(tmp_path, sample_params.model_copy(update={"seed": 1})).startswith(
        "These figures are of other"
    )


@pytest.mark.parametrize(("name", "key"), [("metrics", "leak_free"), ("train", "val_accuracy")])
@pytest.mark.parametrize("value", [None, {}, "x"])
def test_summarise_names_the_reports_when_a_value_is_of_another_type(
    tmp_path, sample_params, name, key, value
):
    _write_reports(tmp_path, "sample", sample_params)
    path = tmp_path / f"{name}.json"
    write_json(path, json.loads(path.read_text()) | {key: value})
    with pytest.raises(
        DataError, match=r"a value in metrics.json, train.json, download.json is of another|lacks"
    ):
        summarise(tmp_path, sample_params)
