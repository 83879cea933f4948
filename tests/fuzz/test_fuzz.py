"""Mutations for each parser, led by Hypothesis; and inputs that were faults once."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import mutated
from tests.fuzz.running import is_fault
from tests.fuzz.targets import TARGETS, Target

_FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))
_CHECKS = list(HealthCheck)
_SETTINGS = settings(deadline=None, derandomize=True, database=None, suppress_health_check=_CHECKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("num_mutations", [40, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_reads_or_refuses_whatever_comes(name, num_mutations, folder):
    target = TARGETS[name]
    seeds = target.seeds(folder)

    @settings(_SETTINGS, max_examples=num_mutations)
    @given(st.randoms(use_true_random=False))
    def try_one(random: Random) -> None:
        assert not is_fault(target, mutated(seeds, random), folder)

    try_one()


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_reads_what_it_begins_with(name, folder):
    target = TARGETS[name]
    first, *others = target.seeds(folder)
    target.parse(first, folder)  # read, not refused: its mutations come deeper than to the first check
    for seed in others:
        assert not is_fault(target, seed, folder)


@pytest.mark.parametrize("path", _FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_a_fault_is_none_now(path, folder):
    assert not is_fault(TARGETS[path.parent.name], path.read_bytes(), folder)


def test_a_fault_is_found(folder):
    def parse(content: bytes, _: Path) -> object:
        return {b"good": 1}[content]

    assert is_fault(Target(parse, lambda _: []), b"bad", folder)
    assert not is_fault(Target(parse, lambda _: []), b"good", folder)
    assert not is_fault(Target(parse, lambda _: [], (KeyError,)), b"bad", folder)
