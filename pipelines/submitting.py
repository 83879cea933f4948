"""Submit a pipeline: check what would not run, bring it to the cluster, start it now or by a schedule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ferflow.errors import ParamsError
from ferflow.params import BUILT_IN_WEIGHTS, Params
from pipelines.compiling import compile_pipeline
from pipelines.runs import Run
from pipelines.schedules import Schedule, Schedules, parse_cron
from pipelines.server import Cluster
from pipelines.settings import Settings
from pipelines.versions import parse_version, warnings

# Of the inputs of a run; 20,000 from December 2025 on (kubeflow/pipelines, #12519).
_LARGEST_INPUT = 10_000
# Values of keys that name a file, too, which name none.
_NO_FILES = ("auto", "haar", "imagenet", BUILT_IN_WEIGHTS)


@dataclass(frozen=True)
class Prepared:
    """A pipeline that the cluster knows, ready to be run.

    Attributes:
        cluster: Where it is.
        name: For the run.
        experiment: Id of the experiment.
        version: Ids of the pipeline and its version.
        inputs: Of the pipeline.
    """

    cluster: Cluster
    name: str
    experiment: str
    version: tuple[str, str]
    inputs: dict[str, Any]


def prepare(name: str, settings: Settings, params: str, *, tell: Callable[[str], None]) -> Prepared:
    """Check everything, then bring the pipeline to the cluster; what is there is used again.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        params: Text of the parameter file.
        tell: Takes a line about what this cluster does otherwise than the settings want.

    Raises:
        ParamsError: The parameters or the settings are wrong.
        PipelineError: The cluster cannot be reached or refuses.
    """
    from ferflow.cluster.sections import parse_params

    values = parse_params(params)
    check_devices(name, settings, values.train.devices)
    check_files(settings, values)
    sent = values_alone(params)
    text = compile_pipeline(name, settings)
    cluster = Cluster(settings.server)
    if version := parse_version(cluster.version()):
        for line in warnings(settings, version):
            tell(f"note: {line}")
    experiment = cluster.experiment()
    wanted = f"ferflow-{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Prepared(
        cluster=cluster,
        name=f"{name} {values.profile}",
        experiment=experiment,
        version=cluster.pipeline_version(f"ferflow-{name}", wanted, text),
        inputs={"params": sent},
    )


def submit(
    name: str, settings: Settings, params: str, *, tell: Callable[[str], None] = lambda _: None
) -> Run:
    """Start a pipeline on the cluster.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        params: Text of the parameter file.
        tell: Takes a line, see `prepare`.

    Raises:
        ParamsError: The parameters or the settings are wrong.
        PipelineError: The cluster cannot be reached or refuses.
    """
    ready = prepare(name, settings, params, tell=tell)
    return ready.cluster.start(
        f"{ready.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        experiment=ready.experiment,
        version=ready.version,
        params=ready.inputs,
    )


def schedule(
    name: str, settings: Settings, params: str, cron: str, *, tell: Callable[[str], None] = lambda _: None
) -> Schedule:
    """Have a pipeline run again and again on the cluster.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        params: Text of the parameter file, as it is now.
        cron: When, as in crontab.
        tell: Takes a line, see `prepare`.

    Raises:
        ParamsError: The parameters, the settings or the cron line are wrong.
        PipelineError: The cluster cannot be reached or refuses.
    """
    wanted = parse_cron(cron)
    ready = prepare(name, settings, params, tell=tell)
    return Schedules(ready.cluster).add(
        ready.name, wanted, experiment=ready.experiment, version=ready.version, params=ready.inputs
    )


def values_alone(params: str) -> str:
    """A parameter file without its comments, as it travels.

    Args:
        params: Its text.

    Raises:
        ParamsError: It is still longer than Kubeflow takes.
    """
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    written = StringIO()
    yaml.dump(yaml.load(params), written)
    text = written.getvalue()
    if (size := len(json.dumps({"params": text}).encode())) > _LARGEST_INPUT:
        raise ParamsError(
            f"the parameter file has {size:,} bytes without its comments, and Kubeflow Pipelines takes "
            f"{_LARGEST_INPUT:,}; shorten its lists, such as tune.space"
        )
    return text


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
    if download.path is not None and download.sha256 is None and settings.steps.download.cache:
        raise ParamsError(
            f"download.path is {download.path} and download.sha256 is null, but steps.download.cache in "
            "pipelines/config.yaml is true: another file at that path would never be noticed; give the "
            "file's SHA-256 (sha256sum FILE) as download.sha256, or set cache: false"
        )
