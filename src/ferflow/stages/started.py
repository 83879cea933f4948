"""What a stage began with: nothing is written once that is no longer what lies there.

A `dvc` that is killed leaves its stage running. By the time that this one ends, another `dvc repro` may have
restored the results of other parameters from the cache: the old stage must not write over them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from ferflow.errors import OutputError, ParamsError
from ferflow.files import sha256_of
from ferflow.params import Params, load_params
from ferflow.stages.table import STAGES

_Signature = tuple[int, int, int]


class Started:
    """The parameters and inputs of a stage when it began.

    Args:
        stage: Its name, as in `dvc.yaml`.
        params: Its parameters.
        path: The file that they are from; None where they are from none.
    """

    def __init__(self, stage: str, params: Params, path: Path | None) -> None:
        self._stage = stage
        self._path = None if path is None else path.absolute()
        self._sections = _sections(stage, params)
        self._inputs: dict[Path, tuple[_Signature | None, str]] = {}
        for place in STAGES[stage].inputs:
            for file in _files_of(place.absolute()):
                with contextlib.suppress(
                    OSError
                ):  # One that cannot be read is told by the stage that reads it.
                    self._inputs[file] = (_signature(file), sha256_of(file))
        self._outputs = {place.absolute() for place in STAGES[stage].outputs}
        self._check_params()

    def check(self, target: Path) -> None:
        """Ask whether a result of the stage may take its place; for `ferflow.files.checking`.

        Args:
            target: The place; one that is no result of the stage is passed over.

        Raises:
            OutputError: Parameters or inputs are others by now.
        """
        if Path(os.path.abspath(target)) not in self._outputs:  # noqa: PTH100 (links stay what they are)
            return
        self._check_params()
        for file, (signature, digest) in self._inputs.items():
            if _signature(file) != signature and (not file.is_file() or sha256_of(file) != digest):
                raise self._error(f"{file} is no longer what the stage read")

    def _check_params(self) -> None:
        if self._path is None or (self._path.exists() and not self._path.is_file()):
            return  # Made by code, or from a pipe, which is read once.
        try:
            now = _sections(self._stage, load_params(self._path))
        except ParamsError as error:
            raise self._error(f"{self._path} can no longer be read ({error})") from error
        for name, value in self._sections.items():
            if now[name] != value:
                raise self._error(f"section {name} of {self._path} was changed")

    def _error(self, found: str) -> OutputError:
        return OutputError(
            f"stage {self._stage}: {found} since it began, so its result would not fit to what lies here; "
            "it is not written: run 'dvc repro' again (a training that is put back goes on from its last "
            "epoch)"
        )


def _sections(stage: str, params: Params) -> dict[str, Any]:
    return params.model_dump(mode="json", include=set(STAGES[stage].sections))


def _files_of(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.is_file())
    return [place] if place.is_file() else []


def _signature(file: Path) -> _Signature | None:
    """What changes with a file's content, without reading it; None where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
