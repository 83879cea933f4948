"""Each example of docs/extending.md works as one file, and its tables are those of the registries."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest

from ferflow.data.sources.sources import read_source
from ferflow.model.augment import Augment
from ferflow.model.network import build_network
from ferflow.params import Params, check_params
from ferflow.params.entries import registry
from tests.conftest import REPOSITORY

_PAGE = REPOSITORY / "docs" / "extending.md"
_FILE = re.compile(r'^```python title="src/(ferflow/[a-z_/]+)/([a-z_0-9]+)\.py"\n(.*?)^```$', re.M | re.S)
_TABLE = re.compile(r"^<!-- table: ([a-z_.]+) -->\n\n(.*?)\n*(?=^## |^<!-- table)", re.M | re.S)


def _files(heading: str) -> list[tuple[str, str, str]]:
    """Package, name and text of the files that a section of the page adds."""
    section = _PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [(folder.replace("/", "."), name, text) for folder, name, text in _FILE.findall(section)]


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Put the file of a section of the page into its package."""

    def add(heading: str) -> None:
        ((package, name, text),) = _files(heading)  # One file is all that is touched.
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(
            import_module(package), "__path__", [*import_module(package).__path__, str(tmp_path)]
        )
        monkeypatch.delitem(sys.modules, f"{package}.{name}", raising=False)

    return add


def _checked(values: dict, **changes: object) -> Params:
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    return check_params(values, origin="params.yaml")


def test_a_backbone_is_one_file(added, sample_values):
    added("A backbone")
    params = _checked(sample_values, model__backbone="plain", model__plain_width=4, model__image_size=48)
    network = build_network(params.model)
    images = np.random.default_rng(1).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    network.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(network.train_on_batch(images, np.eye(7)[:4]))
    backbone = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    assert backbone.output_shape == (None, 6, 6, 16)


def test_an_augmentation_is_one_file(added, sample_values):
    images = np.full((2, 48, 48, 1), 100, np.uint8)
    off = np.asarray(Augment(_checked(sample_values).augment, seed=1)(images, training=True))
    added("An augmentation")
    same = np.asarray(Augment(_checked(sample_values).augment, seed=1)(images, training=True))
    np.testing.assert_array_equal(off, same)
    params = _checked(sample_values, augment__noise=0.2)
    changed, again = (np.asarray(Augment(params.augment, seed=1)(images, training=True)) for _ in range(2))
    np.testing.assert_array_equal(changed, again)
    assert 10 < np.abs(changed - off).std() < 51


def test_a_source_is_one_file(added, sample_values, tmp_path):
    added("A source of images")
    faces = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    path = tmp_path / "faces.npz"
    np.savez(path, images=faces, labels=["sad", "happy", "fear"])
    params = _checked(sample_values, download__source="npz", download__path=str(path))
    table = read_source(params.download, seed=1).table
    np.testing.assert_array_equal(table.images, faces)
    assert table["label"].tolist() == ["sad", "happy", "fear"]


def test_the_tables_are_those_of_the_registries():
    """To write them anew: python -m tests.docs.test_extending."""
    tables = dict(_TABLE.findall(_PAGE.read_text()))
    assert len(tables) == 5
    assert tables == {package: registry(package).table().rstrip("\n") for package in tables}


def _write_tables(path: Path) -> None:
    def table(match: re.Match[str]) -> str:
        return f"<!-- table: {match[1]} -->\n\n{registry(match[1]).table()}\n"

    path.write_text(_TABLE.sub(table, path.read_text()))


if __name__ == "__main__":
    _write_tables(_PAGE)
