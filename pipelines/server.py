"""Kubeflow Pipelines over its REST interface: pipeline versions, experiments, runs, logs.

The generated client is used, not `kfp.Client`: that one prints, warns, and retries for minutes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.answers import read_token, readable_errors
from pipelines.settings import Server

_TIMEOUT = (10, 60)  # Seconds to connect, and to answer.
_PAGE = 100
# States of a run that goes on no longer.
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass(frozen=True)
class Task:
    """A step of a run.

    Attributes:
        name: Its name in the pipeline.
        state: Such as `RUNNING`; empty before it has one.
        error: What Kubeflow says went wrong; empty where nothing did.
        pods: Names of its pods.
    """

    name: str
    state: str
    error: str
    pods: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A run on the cluster.

    Attributes:
        run_id: Given by the server.
        name: For people.
        state: Such as `RUNNING`.
        error: What went wrong; empty where nothing did.
        link: Its page.
        tasks: Its steps.
    """

    run_id: str
    name: str
    state: str
    error: str
    link: str
    tasks: tuple[Task, ...]

    @property
    def is_over(self) -> bool:
        """Whether it goes on no longer."""
        return self.state in ENDED


class Cluster:
    """An endpoint of Kubeflow Pipelines.

    Args:
        server: Where it is and how to be let in.

    Raises:
        PipelineError: The token is not there.
    """

    def __init__(self, server: Server) -> None:
        import kfp_server_api

        self._server = server
        self._api: Any = kfp_server_api
        configuration = kfp_server_api.Configuration(host=server.host.rstrip("/"))
        # A client of its own, without the retries: someone waits.
        configuration.retries = False
        configuration.ssl_ca_cert = server.ca_certificate
        if token := read_token(server):
            configuration.api_key["authorization"] = token
            configuration.api_key_prefix["authorization"] = "Bearer"
        self._client = kfp_server_api.ApiClient(configuration)

    def link(self, run_id: str) -> str:
        """The page of a run."""
        return f"{self._server.pages}/#/runs/details/{run_id}"

    def experiment(self) -> str:
        """The id of the experiment, which is made where it is not there.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        if found := self._find_experiment():
            return found
        server = self._server
        wanted = self._api.V2beta1Experiment(display_name=server.experiment, namespace=server.namespace)
        with self._errors():
            made = self._api.ExperimentServiceApi(self._client).experiment_service_create_experiment(
                wanted, _request_timeout=_TIMEOUT
            )
            return _identity(made.experiment_id)

    def _find_experiment(self) -> str | None:
        """The id of the experiment; None where it is not there."""
        service = self._api.ExperimentServiceApi(self._client)
        given = _given(namespace=self._server.namespace)
        with self._errors():
            found = service.experiment_service_list_experiments(
                filter=_named(self._server.experiment),
                page_size=_PAGE,
                _request_timeout=_TIMEOUT,
                **given,
            ).experiments
            return _identity(found[0].experiment_id) if found else None

    def pipeline_version(self, name: str, version: str, text: str) -> tuple[str, str]:
        """The ids of a pipeline and of its version; what is not there is uploaded.

        Args:
            name: Of the pipeline.
            version: Name that follows from the text, so that the same text is the same version.
            text: The compiled YAML.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        service = self._api.PipelineServiceApi(self._client)
        uploads = self._api.PipelineUploadServiceApi(self._client)
        given = _given(namespace=self._server.namespace)
        with self._errors(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.yaml"
            path.write_text(text, encoding="utf-8")
            pipelines = service.pipeline_service_list_pipelines(
                filter=_named(name), page_size=_PAGE, _request_timeout=_TIMEOUT, **given
            ).pipelines
            if pipelines:
                pipeline_id = _identity(pipelines[0].pipeline_id)
            else:
                made = uploads.upload_pipeline(str(path), name=name, _request_timeout=_TIMEOUT, **given)
                pipeline_id = _identity(made.pipeline_id)
            versions = service.pipeline_service_list_pipeline_versions(
                pipeline_id, filter=_named(version), page_size=_PAGE, _request_timeout=_TIMEOUT
            ).pipeline_versions
            if versions:
                return pipeline_id, _identity(versions[0].pipeline_version_id)
            added = uploads.upload_pipeline_version(
                str(path), name=version, pipelineid=pipeline_id, _request_timeout=_TIMEOUT
            )
            return pipeline_id, _identity(added.pipeline_version_id)

    def start(self, name: str, *, experiment: str, version: tuple[str, str], params: dict[str, Any]) -> Run:
        """Start a run.

        Args:
            name: Of the run.
            experiment: Id of the experiment.
            version: Ids of the pipeline and its version.
            params: Inputs of the pipeline.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        service = self._api.RunServiceApi(self._client)
        pipeline_id, version_id = version
        wanted = self._api.V2beta1Run(
            experiment_id=experiment,
            display_name=name,
            pipeline_version_reference=self._api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline_id, pipeline_version_id=version_id
            ),
            runtime_config=self._api.V2beta1RuntimeConfig(parameters=params),
            service_account=self._server.service_account,
        )
        with self._errors():
            return self._read(service.run_service_create_run(wanted, _request_timeout=_TIMEOUT))

    def run(self, run_id: str) -> Run:
        """How a run stands.

        Raises:
            PipelineError: There is no such run, or the server cannot be reached or refuses.
        """
        service = self._api.RunServiceApi(self._client)
        with self._errors(f"there is no run {run_id}; see 'python -m pipelines status' for those there are"):
            return self._read(service.run_service_get_run(run_id, _request_timeout=_TIMEOUT))

    def retry(self, run_id: str) -> None:
        """Have a run that failed go on: the steps that succeeded stay, and so do checkpoints.

        Raises:
            PipelineError: There is no such run, or the server cannot be reached or refuses.
        """
        service = self._api.RunServiceApi(self._client)
        with self._errors(f"there is no run {run_id}; see 'python -m pipelines status' for those there are"):
            service.run_service_retry_run(run_id, _request_timeout=_TIMEOUT)

    def newest(self, number: int) -> list[Run]:
        """The newest runs of the experiment; none where it is not there.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        service = self._api.RunServiceApi(self._client)
        experiment = self._find_experiment()
        if experiment is None:
            return []
        with self._errors():
            found = service.run_service_list_runs(
                experiment_id=experiment,
                page_size=number,
                sort_by="created_at desc",
                _request_timeout=_TIMEOUT,
            )
            return [self._read(run) for run in found.runs or []]

    def log(self, run_id: str, pod: str) -> str:
        """What a pod printed.

        Raises:
            PipelineError: The log is gone, or the server cannot be reached or refuses.
        """
        place = f"-n {self._server.namespace} " if self._server.namespace else "-n NAMESPACE "
        absent = f"the server has no log of pod {pod} any more; try 'kubectl logs {place}{pod} -c main'"
        path = f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log"
        with self._errors(absent):
            answer = self._client.call_api(
                path,
                "GET",
                auth_settings=["Bearer"],
                _preload_content=False,
                _request_timeout=_TIMEOUT,
            )
        return str(answer.data.decode("utf-8", errors="replace"))

    def _read(self, run: Any) -> Run:
        details = run.run_details.task_details if run.run_details else None
        return Run(
            run_id=_identity(run.run_id),
            name=str(run.display_name),
            state=str(run.state or "PENDING"),
            error=_message(run.error),
            link=self.link(str(run.run_id)),
            tasks=tuple(_task(task) for task in details or []),
        )

    @contextmanager
    def _errors(self, absent: str = "") -> Iterator[None]:
        """Turn what the client raises into one line with the cure.

        Args:
            absent: What a 404 means here.
        """
        with readable_errors(self._server, absent):
            yield


def _identity(value: str | None) -> str:
    """An id that an answer must hold.

    Raises:
        ValueError: It does not.
    """
    if not value:
        raise ValueError("no id in the answer")
    return value


def _task(task: Any) -> Task:
    children = [child.pod_name for child in task.child_tasks or [] if child.pod_name]
    pods = dict.fromkeys([*([task.pod_name] if task.pod_name else []), *children])
    return Task(str(task.display_name), str(task.state or ""), _message(task.error), tuple(pods))


def _message(status: Any) -> str:
    return " ".join(str(status.message).split()) if status is not None and status.message else ""


def _named(name: str) -> str:
    """A filter that wants a name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _given(**values: str | None) -> dict[str, str]:
    """Those that are given: the client writes None as text."""
    return {name: value for name, value in values.items() if value is not None}
