"""The page on Python: its code runs as it stands, in the order of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

import ferflow
from tests.conftest import REPOSITORY

_PAGE = REPOSITORY / "docs" / "python-api.md"
_BLOCKS = re.findall(r"^```python\n(.*?)^```$", _PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("coarse_figures")
def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "profiles").symlink_to(REPOSITORY / "profiles")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERFLOW_TRACKING", "off")
    names: dict[str, object] = {}
    for block in _BLOCKS:
        exec(compile(block, str(_PAGE), "exec"), names)  # noqa: S102 (it is the page's)
    printed = capsys.readouterr().out
    assert "(not registered)" not in printed
    for path in (
        "models/model.keras",
        "reports/metrics.json",
        "reports/sweep/index.html",
        "export/model.onnx",
    ):
        assert (tmp_path / path).is_file()
    for report in ("trained", "scored", "found", "done"):
        assert is_dataclass(names[report])
        assert fields(names[report])


def test_every_public_name_is_on_the_page_and_can_be_had():
    text = "\n".join(_BLOCKS)
    for name in set(ferflow.__all__) - {"__version__"}:
        assert re.search(rf"^from ferflow import .*\b{name}\b", text, re.MULTILINE), name
        assert callable(getattr(ferflow, name))


def test_importing_the_package_loads_no_module_of_it_and_no_package_from_elsewhere():
    code = (
        "import __future__, importlib, typing, sys; before = set(sys.modules); import ferflow\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['ferflow']\n"


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        ferflow.predict  # noqa: B018
