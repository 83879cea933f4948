"""What brings a package that is not installed is told by name."""

from __future__ import annotations

import sys
import tomllib

import pytest

from ferflow import extras
from ferflow.cli.app import main
from tests.conftest import REPOSITORY

_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(autouse=True)
def _as_the_project_says(monkeypatch):
    """Not as it was when this environment was made."""
    lines = [
        *_PROJECT["dependencies"],
        *(
            f"{line}; extra == {name!r}"
            for name, lines in _PROJECT["optional-dependencies"].items()
            for line in lines
        ),
    ]
    monkeypatch.setattr(extras, "requires", lambda name: lines)


def _message(module: str, importing: str = "") -> str | None:
    """What is said when a module of ferflow imports what is not there."""
    try:
        exec(  # noqa: S102
            "raise ModuleNotFoundError('absent', name=module)", {"__name__": importing, "module": module}
        )
    except ModuleNotFoundError as error:
        return extras.missing_package(error)
    raise AssertionError


@pytest.mark.parametrize(
    ("module", "importing", "extra"),
    [
        ("scipy.fft", "ferflow.data.duplicates", "data"),
        ("scipy", "ferflow.model.metrics", "train"),
        ("scipy", "ferflow.stages.evaluate", "train"),
        ("scipy", "ferflow.tracking.paired", "tracking"),
        ("scipy", "ferflow.insight.slices", "insight"),
        ("imagehash", "ferflow.data.duplicates", "data"),
        ("sklearn.metrics", "ferflow.model.metrics", "train"),
        ("kfp.kubernetes", "pipelines.compile", "cluster"),
        ("pillow_heif", "ferflow.data.pictures", "heic"),
        ("uvicorn", "ferflow.serving.server", "serve"),
        ("jinja2", "ferflow.serving.page", "serve"),
    ],
)
def test_the_extra_is_that_of_the_code_that_wants_the_package(module, importing, extra):
    assert f"pip install 'ferflow[{extra}]'" in _message(module, importing)


def test_what_ferflow_always_needs_is_installed_anew_and_strangers_are_left_alone():
    assert "pip install --force-reinstall ferflow" in _message("cv2", "ferflow.data.images")
    assert _message("nobody_knows_this", "ferflow.data.images") is None


def test_a_command_without_its_package_ends_with_the_extra(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    # `None` in the table of modules is how Python itself marks what cannot be imported.
    monkeypatch.setitem(sys.modules, "imagehash", None)
    for name in [name for name in sys.modules if name in ("ferflow.data.duplicates", "ferflow.stages.split")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["ferflow", "split"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "imagehash is not installed" in said
    assert "ferflow[data]" in said
    assert not list(tmp_path.rglob("*.txt"))
