"""The commands that let rivals and hostile clients loose, in small."""

from __future__ import annotations

import argparse
import asyncio

import pytest

from benchmarks import rivals, service_soak
from ferflow.errors import ServiceError


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "params"])
def test_rivals_that_write_the_same_result_all_end_well(kind, tmp_path):
    assert rivals.compete(kind, tmp_path, rivals=2, times=6) == []


@pytest.mark.slow
def test_a_write_that_fails_is_counted(tmp_path):
    (tmp_path / "metrics.json").mkdir()
    failures = rivals.compete("report", tmp_path, rivals=1, times=2)
    assert [text.split(":")[0] for text in failures] == ["OutputError", "OutputError", "at the end"]


def test_nothing_but_this_machine_is_attacked():
    arguments = argparse.Namespace(seconds=1, slow_heads=1, slow_bodies=1, hostile=1, ordinary=1)
    with pytest.raises(ServiceError, match=r"only 127\.0\.0\.1 is attacked"):
        asyncio.run(service_soak.all_clients("http://192.0.2.1:80", arguments))


def test_hostile_pictures_are_small():
    pictures = service_soak.hostile_pictures()
    assert len(pictures) == 6
    assert max(map(len, pictures.values())) < 2_000_000
