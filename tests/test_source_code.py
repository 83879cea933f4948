"""Which modules a result depends on, as dvc.yaml and the fingerprint of a training are told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ferflow import source_code
from ferflow.source_code import code_of, imports_of, is_registry


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package in the place of ferflow."""
    folder = tmp_path / "ferflow"
    monkeypatch.setattr(source_code, "PACKAGE", folder)
    for function in (code_of, imports_of, is_registry):
        function.cache_clear()
    yield folder
    for function in (code_of, imports_of, is_registry):
        function.cache_clear()


def _write(package: Path, **modules: str) -> None:
    for name, content in modules.items():
        path = package / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
        for folder in path.relative_to(package).parents:
            (package / folder / "__init__.py").touch()


@pytest.mark.parametrize(
    "line",
    [
        "from ferflow.data.store import read",
        "from ferflow.data import store",
        "import ferflow.data.store",
        "def run():\n    from ferflow.data import store",
        "from ferflow import data\ndef run():\n    data.store.read()",
        "from ferflow import data as files\ndef run():\n    files.store.read()",
        "from ferflow.other import thing",
    ],
)
def test_what_a_module_imports_counts_however_it_is_written(package, line):
    _write(package, work=line, data__store="", other="from ferflow.data import store\nthing = 1")
    assert "data/store.py" in code_of("ferflow.work")


@pytest.mark.parametrize(
    "line",
    [
        "if TYPE_CHECKING:\n    from ferflow.data import store",
        "from ferflow import data",
        "import json",
        "from elsewhere.data import store",
    ],
)
def test_what_does_not_run_does_not_count(package, line):
    _write(package, work=line, data__store="")
    assert code_of("ferflow.work") == ("work.py",)


def test_wording_and_parameters_do_not_count(package):
    _write(package, work="import ferflow.errors\nimport ferflow.params.model", errors="", params__model="")
    assert code_of("ferflow.work") == ("work.py",)


def test_a_registry_depends_on_all_its_entries(package):
    _write(
        package,
        work="from ferflow.kinds import REGISTRY",
        kinds__one="import ferflow.deep",
        kinds__two="",
        deep="",
    )
    (package / "kinds" / "__init__.py").write_text("REGISTRY = Registry(__name__, Kind)")
    assert code_of("ferflow.work") == (
        "deep.py",
        "kinds/__init__.py",
        "kinds/one.py",
        "kinds/two.py",
        "work.py",
    )


def test_a_changed_module_has_another_digest(package):
    _write(package, work="from ferflow.data import store", data__store="one = 1")
    before = source_code.digests_of("ferflow.work")
    _write(package, data__store="one = 2")
    after = source_code.digests_of("ferflow.work")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"data/store.py"}
