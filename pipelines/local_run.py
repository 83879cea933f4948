"""Runs of the real pipelines on this machine, by kfp's local runner: each step is a process here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ferflow.progress import say
from pipelines.compiling import build, quiet
from pipelines.errors import PipelineError
from pipelines.local_log import told_by_steps
from pipelines.settings import Settings

FOLDER = Path(".ferflow/pipelines")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FAILED_STEP = re.compile(r"Inner task failed: '([^']+)'")
_REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class LocalRun:
    """A run that ended well.

    Attributes:
        folder: What its steps wrote, a folder each.
        store: Address of the MLflow store with the registered model.
    """

    folder: Path
    store: str


def run_here(
    name: str, settings: Settings, params: str, *, folder: Path = FOLDER, root: Path | None = None
) -> LocalRun:
    """Run a pipeline on this machine; node selectors, GPUs, volumes and secrets do not count here.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster; the number of workers counts.
        params: Text of the parameter file.
        folder: Where runs are kept.
        root: Folder of the embedded MLflow store; None for the current one.

    Raises:
        ParamsError: The parameters are wrong.
        TrackingError: The MLflow store cannot be used.
        PipelineError: A step failed; its last lines say why.
    """
    from kfp import local

    from ferflow.cluster.sections import parse_params
    from ferflow.tracking.store import client, tracking_uri

    parse_params(params)
    base = (root or Path()).resolve()
    client(
        base
    )  # Makes the embedded store here; a step that is the first would make it in a folder of its own.
    store = tracking_uri(base)
    place = folder.resolve() / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    pipeline = build(name, _at_once(settings), work_dir=str(place / "work"), url="")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(place / "steps"))
    log = place / "log.txt"
    say(f"pipeline {name}: steps print to {log}")
    with _environment(store), quiet(), told_by_steps(log):
        try:
            pipeline(params=params)
        except RuntimeError as error:  # kfp has no narrower one.
            raise PipelineError(
                f"pipeline {name}: {_failure(error)}; its line above that begins with 'error:' says why, and "
                f"all that it printed is in {log}; correct that and run the same command again"
            ) from error
    return LocalRun(place, store)


def _at_once(settings: Settings) -> Settings:
    """Without second tries, for which kfp's runner would wait here, too; on this machine's backend."""
    steps = {
        step: settings.steps.of(alias or step).model_copy(update={"retries": 0})
        for step, alias in ((name, field.alias) for name, field in type(settings.steps).model_fields.items())
    }
    image = settings.image.model_copy(
        update={"backend": os.environ.get("KERAS_BACKEND") or settings.image.backend}
    )
    return settings.model_copy(update={"image": image, "steps": settings.steps.model_copy(update=steps)})


@contextlib.contextmanager
def _environment(store: str) -> Iterator[None]:
    """What steps find in their pods, for the processes that take their place."""
    code = os.pathsep.join([str(_REPOSITORY / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    wanted = {
        "MLFLOW_TRACKING_URI": store,
        "PYTHONPATH": code,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _failure(error: Exception) -> str:
    """Which step failed, as far as kfp says it."""
    text = _COLOURS.sub("", str(error))
    steps = _FAILED_STEP.findall(text)
    return f"step {steps[0]} failed" if steps else next(iter(text.splitlines()), type(error).__name__)


def tell(run: LocalRun) -> None:
    """Say what came out, and where things are."""
    for path in run.folder.glob("steps/*/evaluate/reports/metrics.json"):
        figures = json.loads(path.read_text(encoding="utf-8"))
        say(
            f"accuracy   {figures['accuracy']:.4f} ({figures['accuracy_low']:.4f} to "
            f"{figures['accuracy_high']:.4f}) on {figures['num_images']:,} test images"
        )
    for path in run.folder.glob("steps/*/register/registration"):
        words = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        say("\n".join(line for line in words if not line.startswith(("#", "MLflow run:", "["))))
    say(f"steps wrote to {run.folder / 'steps'}; runs and models are in the MLflow store: ferflow ui")
