"""Submit a pipeline, wait for it, and say what a run on the cluster is about."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ferflow.errors import ParamsError
from ferflow.params import Params
from ferflow.progress import duration
from pipelines.compiling import compile_pipeline
from pipelines.errors import PipelineError
from pipelines.server import Cluster, Run, Task
from pipelines.settings import Settings

# What Kubernetes says where an image cannot be had.
_IMAGE_SIGNS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "manifest unknown")
_SECONDS_BETWEEN_LOOKS = 10.0
# Values of keys that name a file, too, which name none.
_NO_FILES = ("auto", "haar", "imagenet")


def submit(name: str, settings: Settings, params: str) -> Run:
    """Start a pipeline on the cluster; experiment and pipeline version are made, or used again.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        params: Text of the parameter file.

    Raises:
        ParamsError: The parameters or the settings are wrong.
        PipelineError: The cluster cannot be reached or refuses.
    """
    from ferflow.cluster.sections import parse_params

    values = parse_params(params)
    check_devices(name, settings, values.train.devices)
    check_files(settings, values)
    text = compile_pipeline(name, settings)
    cluster = Cluster(settings.server)
    experiment = cluster.experiment()
    version = f"ferflow-{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    ids = cluster.pipeline_version(f"ferflow-{name}", version, text)
    return cluster.start(
        f"{name} {values.profile} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        experiment=experiment,
        version=ids,
        params={"params": params},
    )


def check_devices(name: str, settings: Settings, devices: int) -> None:
    """See that steps use the GPUs that they ask for.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        devices: `train.devices`.

    Raises:
        ParamsError: Some would be idle, or are missing.
    """
    for step in ("train",) if name == "training" else ("train", "tune_worker"):
        gpus = settings.steps.of(step).gpus
        if devices != max(1, gpus):
            raise ParamsError(
                f"train.devices is {devices} in the parameter file, but steps.{step}.gpus is {gpus} in "
                f"pipelines/config.yaml; set train.devices: {max(1, gpus)}, or change the number of "
                "GPUs (--gpus)"
            )


def check_files(settings: Settings, params: Params) -> None:
    """See that pods can see the files that the parameters name: those of this machine they cannot.

    Args:
        settings: Of the cluster.
        params: The parameters.

    Raises:
        ParamsError: A file is on no volume of the step that reads it.
    """
    download, volumes = params.download, settings.volumes
    named = [
        ("download.path", download.path, "data"),
        ("download.detector", download.detector, "data"),
        ("model.weights", params.model.weights, "work"),
    ]
    for key, path, kind in named:
        if path in (None, *_NO_FILES):
            continue
        volume = volumes.data if kind == "data" else volumes.work
        if volume is None or not Path(path).is_relative_to(volume.path):
            place = "is null" if volume is None else f"is mounted at {volume.path}"
            raise ParamsError(
                f"{key} is {path} in the parameter file, which pods do not see: volumes.{kind} in "
                f"pipelines/config.yaml {place}; put the file on a claim, name that there, and give the path "
                "in the pod"
            )


def wait(
    cluster: Cluster,
    run_id: str,
    tell: Callable[[str], None],
    *,
    timeout: float | None = None,
    pause: float = _SECONDS_BETWEEN_LOOKS,
    image: str = "",
) -> Run:
    """Wait until a run is over; each step that changes its state is one line.

    Args:
        cluster: Where it runs.
        run_id: Of the run.
        tell: Takes a line.
        timeout: Seconds after which it is left alone; None for no limit.
        pause: Seconds between two looks.
        image: Of the steps, for the error that it cannot be had.

    Raises:
        PipelineError: The run failed, its image cannot be had, the time is over, or the cluster is gone.
    """
    started = time.monotonic()
    known: dict[str, str] = {}
    while True:
        run = cluster.run(run_id)
        for task in run.tasks:
            if task.state and known.get(task.name) != task.state:
                known[task.name] = task.state
                tell(f"{duration(time.monotonic() - started):>10}  {task.name}: {task.state.lower()}")
        check_image(run, image)
        if run.is_over:
            if run.state != "SUCCEEDED":
                raise PipelineError(f"run {run_id} {run.state.lower()}{_why(run)}; {run.link}")
            return run
        if timeout is not None and time.monotonic() - started > timeout:
            raise PipelineError(
                f"run {run_id} is still {run.state.lower()} after {duration(timeout)}; it goes on: "
                f"'python -m pipelines status {run_id}' says how"
            )
        time.sleep(pause)


def check_image(run: Run, image: str) -> None:
    """See that no step waits for an image that cannot be had.

    Raises:
        PipelineError: One does; without this it would wait until its time is over.
    """
    for place, message in [(run.name, run.error), *((task.name, task.error) for task in run.tasks)]:
        if any(sign in message for sign in _IMAGE_SIGNS):
            raise PipelineError(
                f"run {run.run_id}: step {place} cannot have image {image} ({message[:160]}); push it "
                "('make image', then docker push), or mend image.name or image.pull_secrets in "
                "pipelines/config.yaml"
            )


def failed(run: Run) -> list[Task]:
    """The steps that failed."""
    return [task for task in run.tasks if task.state == "FAILED"]


def _why(run: Run) -> str:
    steps = failed(run)
    names = f" in {', '.join(task.name for task in steps)}" if steps else ""
    message = next((task.error for task in steps if task.error), run.error)
    log = f"; 'python -m pipelines logs {run.run_id}' shows what it printed"
    return f"{names}{f' ({message[:200]})' if message else ''}{log}"
