"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ferflow.params import Params, load_params, read_yaml

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def sample_values() -> dict:
    """The raw values of profile sample, to change and check."""
    return read_yaml(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def sample_params() -> Params:
    """The checked parameters of profile sample."""
    return load_params(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real archive and the detector; skips, or fails where it is required."""
    folder = Path(os.environ.get("FERFLOW_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "fer2013.tar.xz").is_file():
        message = f"no FER-2013 archive at {folder}/data/fer2013.tar.xz; set FERFLOW_SHARED"
        if os.environ.get("FERFLOW_REQUIRE_REAL_DATA"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
