"""A folder laid out as the repository is, in which a step runs the stage's own command.

Train, evaluate, register and tune read parameters, data, reports and the journals of runs at their usual
places. A step links or copies its inputs there, goes there, and hands on what was written.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ferflow import paths
from ferflow.files import atomic_directory, atomic_file, output_error


@dataclass(frozen=True)
class PipelineRun:
    """The run of a pipeline that a step belongs to.

    Attributes:
        run_id: Given by Kubeflow Pipelines.
        url: Address of Kubeflow's pages; empty where there are none.
        work_dir: Folder that outlives an evicted pod; empty where there is none.
    """

    run_id: str
    url: str
    work_dir: str

    @property
    def link(self) -> str:
        """The page of the run; empty where there is none."""
        return f"{self.url.rstrip('/')}/#/runs/details/{self.run_id}" if self.url else ""


@contextmanager
def workspace(
    run: PipelineRun,
    step: str,
    *,
    params: str,
    split: str | None = None,
    model: str | None = None,
    reports: str | None = None,
    journals: str | None = None,
) -> Iterator[Path]:
    """Lay inputs out and make their folder the current one.

    With `work_dir` the folder is the same when the step is tried again: checkpoints and the journal of a
    pod that was evicted are there still. Without, it is a temporary one.

    Args:
        run: The pipeline's run.
        step: Name of the step; no other one of the run has it.
        params: The parameter file; this and the others are paths of artifacts, which are texts.
        split: Folder of the split.
        model: The network's file.
        reports: Folder of the reports of earlier steps.
        journals: Folder of the journals of earlier steps.

    Yields:
        The folder.

    Raises:
        OutputError: It cannot be made.
    """
    before = Path.cwd()
    temporary = None if run.work_dir else tempfile.mkdtemp(prefix=f"ferflow-{step}-")
    root = Path(temporary or Path(run.work_dir) / (run.run_id or "run") / step)
    try:
        root.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(params, root / paths.PARAMS)
        if split is not None:
            _link(Path(split), root / paths.SPLIT)
        for source, target in ((model, paths.MODEL), (reports, paths.REPORTS), (journals, paths.JOURNALS)):
            if source is not None:
                hand_on(Path(source), root / target)
    except OSError as error:
        raise output_error(root, error) from error
    os.environ["KFP_RUN_ID"], os.environ["KFP_RUN_URL"] = run.run_id, run.link
    os.chdir(root)
    try:
        yield root
    finally:
        os.chdir(before)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def hand_on(source: Path, target: Path) -> None:
    """Copy a file or a folder to the place of an artifact; locks stay behind.

    Raises:
        OutputError: The copy cannot be written.
    """
    if source.is_file():
        with atomic_file(target) as fresh:
            shutil.copyfile(source, fresh)
        return
    with atomic_directory(target) as folder:
        if source.is_dir():
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock"))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source.absolute(), target_is_directory=True)
