"""From pipelines and settings to the YAML that Kubeflow Pipelines takes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp.compiler import Compiler
from kfp.dsl.base_component import BaseComponent

from ferflow.errors import ParamsError
from ferflow.files import atomic_file
from pipelines.settings import Settings
from pipelines.sweep import sweep_pipeline
from pipelines.training import training_pipeline

COMPILED = Path(__file__).with_name("compiled")
PIPELINES = {"training": training_pipeline, "sweep": sweep_pipeline}


def build(
    name: str, settings: Settings, *, work_dir: str | None = None, url: str | None = None
) -> BaseComponent:
    """A pipeline with the settings of a cluster.

    Args:
        name: `training` or `sweep`.
        settings: Of the cluster.
        work_dir: Folder that outlives a pod; None for the path of the work volume.
        url: Of Kubeflow's pages; empty where there are none, None for that of the settings.

    Raises:
        ParamsError: The settings do not fit the pipeline.
    """
    volume = settings.volumes.work
    if name == "sweep" and settings.secrets.postgresql is None and volume is None:
        raise ParamsError(
            "secrets.postgresql and volumes.work are both null, so workers of a sweep share no storage; name "
            "one of them in pipelines/config.yaml"
        )
    if work_dir is None:
        work_dir = "" if volume is None else volume.path
    with quiet():
        return PIPELINES[name](settings, work_dir=work_dir, url=settings.server.pages if url is None else url)


def compile_pipeline(name: str, settings: Settings) -> str:
    """The YAML of a pipeline; the same settings give the same bytes.

    Raises:
        ParamsError: The settings do not fit the pipeline.
    """
    pipeline = build(name, settings)
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / f"{name}.yaml"
        Compiler().compile(pipeline, str(path))
        return path.read_text(encoding="utf-8")


def write_compiled(settings: Settings, folder: Path = COMPILED) -> list[Path]:
    """Write the YAML of every pipeline.

    Returns:
        The files.

    Raises:
        ParamsError: The settings do not fit a pipeline.
        OutputError: A file cannot be written.
    """
    texts = {name: compile_pipeline(name, settings) for name in PIPELINES}
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        with atomic_file(path) as fresh:
            fresh.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


@contextmanager
def quiet() -> Iterator[None]:
    """Without kfp's warnings, which are about kfp itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
