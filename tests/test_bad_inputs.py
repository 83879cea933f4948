"""What a user can hand in wrongly, through the command line: one message, exit code 1, nothing written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ferflow.cli.app import main
from tests.bad_inputs import BAD_INPUTS
from tests.source_files import layout, write_zip

pytestmark = pytest.mark.usefixtures("one_decode_box")

Values = dict[str, Any]
# What a wrong parameter does to the values, and what the message must say.
_BAD_PARAMETERS: dict[str, tuple[Callable[[Values], Any], tuple[str, ...]]] = {
    "unknown key": (lambda values: values["train"].update(rate=0.1), ("train.rate", "0.1", "unknown key")),
    "unknown section": (lambda values: values.update(trian={}), ("trian", "unknown key")),
    "missing key": (lambda values: values["split"].pop("scheme"), ("split.scheme", "missing")),
    "dropout 1.2": (
        lambda values: values["model"].update(dropout_head=1.2),
        ("model.dropout_head", "1.2", "less than 1"),
    ),
    "learning rate NaN": (
        lambda values: values["train"].update(learning_rate=float("nan")),
        ("train.learning_rate", "nan", "finite"),
    ),
    "batch 0": (
        lambda values: values["train"].update(batch_size=0),
        ("train.batch_size", "0 found", "greater than or equal to 1"),
    ),
    "text for a number": (lambda values: values.update(seed="one"), ("seed", "'one'", "integer")),
    "archive without path": (
        lambda values: values["download"].update(source="archive"),
        ("download", "needs the path"),
    ),
}


def _ferflow(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> object:
    """Run the command line in a folder; returns the exit code."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ferflow", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def _write_params(folder: Path, values: Values) -> None:
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(values, stream)


def _assert_refused(folder: Path, code: object, printed: str, says: tuple[str, ...]) -> None:
    assert code == 1
    assert printed.startswith("error: ")
    assert "Traceback" not in printed
    assert not [part for part in says if part not in printed], printed
    assert not (folder / "data").exists()
    assert not (folder / "reports").exists()


@pytest.mark.parametrize("name", [*BAD_INPUTS, *_BAD_PARAMETERS])
def test_bad_input_is_one_error_and_leaves_nothing(name, tmp_path, sample_values, monkeypatch, capfd):
    work = tmp_path / "work"
    work.mkdir()
    if name in BAD_INPUTS:
        sample_values["download"] |= BAD_INPUTS[name].build(tmp_path)
        says = BAD_INPUTS[name].says
    else:
        change, says = _BAD_PARAMETERS[name]
        change(sample_values)
    _write_params(work, sample_values)

    code = _ferflow(monkeypatch, work, "download")

    _assert_refused(work, code, capfd.readouterr().err, says)


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "choose another place"), (errno.EACCES, "permissions")],
    ids=["full disk", "read-only disk", "read-only folder"],
)
def test_output_that_cannot_be_written_is_one_error(
    number, cure, tmp_path, sample_values, monkeypatch, capfd
):
    """The disk's answer is given by a stand-in: as root, no folder is read-only."""
    archive = write_zip(tmp_path / "in.zip", layout())
    sample_values["download"] |= {"source": "archive", "path": str(archive)}
    _write_params(tmp_path, sample_values)

    def refuse(path: Path, to: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "rename", refuse)
    code = _ferflow(monkeypatch, tmp_path, "download")

    printed = capfd.readouterr().err
    assert code == 1
    assert "error: data/raw: cannot be written" in printed
    assert cure in printed
    assert not list((tmp_path / "data").rglob("*"))
    assert not (tmp_path / "reports").exists()


def test_a_file_where_a_folder_should_be_is_one_error_and_stays(tmp_path, sample_values, monkeypatch, capfd):
    archive = write_zip(tmp_path / "in.zip", layout())
    sample_values["download"] |= {"source": "archive", "path": str(archive)}
    _write_params(tmp_path, sample_values)
    (tmp_path / "data").write_text("a file where the folder should be")
    assert _ferflow(monkeypatch, tmp_path, "download") == 1
    assert "error: data/raw: cannot be written" in capfd.readouterr().err
    assert (tmp_path / "data").read_text() == "a file where the folder should be"
    assert not (tmp_path / "reports").exists()
