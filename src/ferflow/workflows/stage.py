"""Run a stage of the table: at its usual places, or at those of a step in a cluster."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ferflow.params import Params
from ferflow.stages.table import STAGES
from ferflow.tracking.lineage import note_stage
from ferflow.workflows.running import running


def run(name: str, params: Params, *, origin: Path | None = None, **further: Any) -> Any:
    """Run a stage here, under its lock.

    Args:
        name: The name of the stage.
        params: The parameters.
        origin: The file that they are from, which must not change meanwhile; None where they are from none.
        further: Arguments of the stage's function that are no places.

    Returns:
        The report of the stage's function.

    Raises:
        FerflowError: What the stage's function raises, or inputs changed meanwhile.
    """
    own = STAGES[name].own_sections
    section = getattr(params, own[0]) if len(own) == 1 else params
    with running(name, params, origin):
        return run_at(name, section, seed=params.seed, **further)


def run_at(name: str, section: BaseModel, *, seed: int | None = None, **replaced: Any) -> Any:
    """Run a stage without a lock, with other places than the usual ones.

    Args:
        name: The name of the stage.
        section: Its section of the parameters, or all parameters where it uses several.
        seed: For stages that name it among their sections.
        replaced: Places, and other arguments of the stage's function.

    Returns:
        The report of the stage's function.

    Raises:
        FerflowError: What the stage's function raises.
    """
    stage = STAGES[name]
    seeded = {"seed": seed} if "seed" in stage.sections and len(stage.own_sections) == 1 else {}
    work = getattr(importlib.import_module(stage.module), stage.function.partition(":")[2])
    return work(section, **seeded, **{**stage.places, **replaced})


def note(reports: Path, name: str, artifacts: Mapping[Path, Path]) -> None:
    """Write down among the reports what a stage wrote, for the lineage of the steps after it.

    Args:
        reports: Folder of the reports that is handed on.
        name: The name of the stage.
        artifacts: Outputs that lie elsewhere, by their usual paths; the others are among the reports.

    Raises:
        OutputError: It cannot be written.
    """
    places = {output: reports / output.name for output in STAGES[name].outputs}
    note_stage(reports, name, {**places, **artifacts})
