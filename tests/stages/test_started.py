"""A stage that outlived its dvc does not write over what was restored meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ferflow import paths
from ferflow.errors import OutputError
from ferflow.files import atomic_directory, atomic_file, checking
from ferflow.params import load_params, read_yaml
from ferflow.profiles import write_profile
from ferflow.stages.started import Started
from ferflow.stages.table import STAGES
from ferflow.workflows import stage
from tests.conftest import REPOSITORY


def _write_params(*changes: str) -> None:
    write_profile("sample", list(changes), profiles=REPOSITORY / "profiles", target=paths.PARAMS)


@pytest.fixture
def started(tmp_path, monkeypatch) -> Started:
    """Stage train, which has just begun, with a network of an earlier run in its place."""
    monkeypatch.chdir(tmp_path)
    _write_params()
    paths.SPLIT.mkdir(parents=True)
    for name in ("train", "val", "test"):
        (paths.SPLIT / f"{name}.npz").write_text(name)
    paths.MODEL.parent.mkdir()
    paths.MODEL.write_text("restored")
    return Started("train", load_params(paths.PARAMS), paths.PARAMS)


def _touch() -> None:
    path = paths.SPLIT / "train.npz"
    os.utime(path, ns=(1, 1))


def _restore_same() -> None:
    path = paths.SPLIT / "train.npz"
    fresh = path.with_suffix(".fresh")
    fresh.write_text("train")
    fresh.replace(path)


_ALLOWED = {
    "nothing": lambda: None,
    "another stage's section": lambda: _write_params("evaluate.batch_size=7"),
    "a comment": lambda: paths.PARAMS.write_text(paths.PARAMS.read_text() + "# a remark\n"),
    "a later time": _touch,
    "the same data, put back by dvc": _restore_same,
}
_REFUSED = {
    "its section": lambda: _write_params("train.epochs=99"),
    "the seed": lambda: _write_params("seed=1"),
    "no YAML": lambda: paths.PARAMS.write_text("a: ["),
    "no parameters": lambda: paths.PARAMS.unlink(),
    "other data": lambda: (paths.SPLIT / "train.npz").write_text("other"),
    "no data": lambda: (paths.SPLIT / "val.npz").unlink(),
}


@pytest.mark.parametrize("name", _ALLOWED)
def test_a_result_is_written_where_nothing_of_its_own_changed(started: Started, name: str):
    _ALLOWED[name]()
    with checking(started.check), atomic_file(paths.MODEL) as fresh:
        fresh.write_text("trained")
    assert paths.MODEL.read_text() == "trained"


@pytest.mark.parametrize("name", _REFUSED)
def test_a_restored_result_stays_where_something_changed(started: Started, name: str):
    with (
        pytest.raises(OutputError, match=r"^stage train: .*since it began.*run 'dvc repro' again"),
        checking(started.check),
        atomic_file(paths.MODEL) as fresh,
    ):
        fresh.write_text("trained")
        _REFUSED[name]()
    assert paths.MODEL.read_text() == "restored"
    assert [path.name for path in paths.MODEL.parent.iterdir()] == ["model.keras"]
    with checking(started.check), atomic_file(Path("checkpoint")) as fresh:  # No result of the stage.
        fresh.write_text("kept")
    assert Path("checkpoint").read_text() == "kept"


def test_folders_are_asked_for_as_well(started: Started):
    split = Started("split", load_params(paths.PARAMS), paths.PARAMS)
    _write_params("seed=2")
    with (
        pytest.raises(OutputError, match="stage split"),
        checking(split.check),
        atomic_directory(paths.SPLIT),
    ):
        pass
    assert (paths.SPLIT / "train.npz").read_text() == "train"


def test_a_stage_that_waited_for_the_lock_while_its_parameters_changed_does_not_begin(started: Started):
    values = load_params(paths.PARAMS)
    _write_params("train.epochs=99")
    with pytest.raises(OutputError, match=r"section train of .* was changed"):
        Started("train", values, paths.PARAMS)


def test_the_table_of_stages_is_that_of_dvc():
    described = read_yaml(REPOSITORY / "dvc.yaml")["stages"]
    assert list(STAGES) == list(described)
    for name, entry in described.items():
        inputs = {dep for dep in entry["deps"] if not dep.startswith("src/")}
        outputs = {path for kind in ("outs", "metrics", "plots") for path in entry.get(kind, [])}
        assert {str(path) for path in STAGES[name].inputs} == inputs
        assert {str(path) for path in STAGES[name].outputs} == outputs
        assert set(STAGES[name].sections) == set(entry["params"])


def test_the_commands_are_under_the_check(started: Started, monkeypatch):
    from ferflow.stages import split

    def write(*_: object, output_dir: Path, **__: object) -> None:
        _write_params("seed=7")
        with atomic_directory(output_dir) as folder:
            (folder / "train.npz").write_text("late")

    monkeypatch.setattr(split, "run", write)
    with pytest.raises(OutputError, match="stage split: section seed"):
        stage.run("split", load_params(paths.PARAMS), origin=paths.PARAMS)
    assert (paths.SPLIT / "train.npz").read_text() == "train"


def test_parameters_from_a_pipe_are_read_once(started: Started, tmp_path: Path):
    values = load_params(paths.PARAMS)
    os.mkfifo(tmp_path / "pipe")
    piped = Started("train", values, tmp_path / "pipe")
    with checking(piped.check), atomic_file(paths.MODEL) as fresh:
        fresh.write_text("trained")
    assert paths.MODEL.read_text() == "trained"
