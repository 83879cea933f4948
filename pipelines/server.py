"""Kubeflow Pipelines over its REST interface: pipeline versions, experiments, runs, recurring runs.

The generated client is used, not `kfp.Client`: that one prints, warns, and retries for minutes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pipelines.answers import readable_errors
from pipelines.connection import connect
from pipelines.runs import Run, entries, given, identity, message_of, named, read_task
from pipelines.sections import Server

_TIMEOUT = (10, 60)  # Seconds to connect, and to answer.
_PAGE = 100
# How servers of several versions say that they have nothing at a path.
_NOTHING_THERE = (400, 404, 405, 410, 422, 500, 501)


class Cluster:
    """An endpoint of Kubeflow Pipelines.

    Args:
        server: Where it is and how to be let in.

    Raises:
        PipelineError: What the settings say of being let in is not there, or not safe.
    """

    def __init__(self, server: Server) -> None:
        import kfp_server_api

        self.server = server
        self._api: Any = kfp_server_api
        self._client = connect(server)

    def link(self, run_id: str) -> str:
        """The page of a run."""
        return f"{self.server.pages}/#/runs/details/{run_id}"

    def experiment(self) -> str:
        """The id of the experiment, which is made where it is not there.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        server = self.server
        wanted = self._api.V2beta1Experiment(display_name=server.experiment, namespace=server.namespace)

        def make() -> str:
            made = self._api.ExperimentServiceApi(self._client).experiment_service_create_experiment(
                wanted, _request_timeout=_TIMEOUT
            )
            return identity(made.experiment_id)

        with self._errors():
            return self._find_or_make(self._find_experiment, make)

    def _find_experiment(self) -> str | None:
        """The id of the experiment; None where it is not there."""
        service = self._api.ExperimentServiceApi(self._client)
        found = service.experiment_service_list_experiments(
            filter=named(self.server.experiment),
            page_size=_PAGE,
            _request_timeout=_TIMEOUT,
            **given(namespace=self.server.namespace),
        )
        found = entries(self._client, found, "experiments")
        return identity(found[0].experiment_id) if found else None

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
        with self._errors(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.yaml"
            path.write_text(text, encoding="utf-8")
            pipeline_id = self._find_or_make_pipeline(service, name)

            def known() -> str | None:
                found = service.pipeline_service_list_pipeline_versions(
                    pipeline_id, filter=named(version), page_size=_PAGE, _request_timeout=_TIMEOUT
                )
                found = entries(self._client, found, "pipeline_versions")
                return identity(found[0].pipeline_version_id) if found else None

            def upload() -> str:
                made = uploads.upload_pipeline_version(
                    str(path), name=version, pipelineid=pipeline_id, _request_timeout=_TIMEOUT
                )
                return identity(made.pipeline_version_id)

            return pipeline_id, self._find_or_make(known, upload)

    def _find_or_make_pipeline(self, service: Any, name: str) -> str:
        """The id of a pipeline; one that is new has no version yet."""
        namespace = self.server.namespace

        def known() -> str | None:
            found = service.pipeline_service_list_pipelines(
                filter=named(name), page_size=_PAGE, _request_timeout=_TIMEOUT, **given(namespace=namespace)
            )
            found = entries(self._client, found, "pipelines")
            return identity(found[0].pipeline_id) if found else None

        def make() -> str:
            wanted = self._api.V2beta1Pipeline(display_name=name, name=name, namespace=namespace)
            made = service.pipeline_service_create_pipeline(wanted, _request_timeout=_TIMEOUT)
            return identity(made.pipeline_id)

        return self._find_or_make(known, make)

    def _find_or_make(self, find: Callable[[], str | None], make: Callable[[], str]) -> str:
        """What is there, or is made; a rival that made it in between (409) is found again."""
        if found := find():
            return found
        try:
            return make()
        except self._api.ApiException as error:
            if error.status != HTTPStatus.CONFLICT or not (found := find()):
                raise
            return found

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
            service_account=self.server.service_account,
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
        with self._errors():
            experiment = self._find_experiment()
            if experiment is None:
                return []
            found = service.run_service_list_runs(
                experiment_id=experiment,
                page_size=number,
                sort_by="created_at desc",
                _request_timeout=_TIMEOUT,
            )
            return [self._read(run) for run in entries(self._client, found, "runs")]

    def get(self, path: str, **query: str) -> tuple[str, str]:
        """Ask for something that the interface's description does not hold.

        Args:
            path: Such as `/k8s/pod/logs`.
            query: Parameters.

        Returns:
            What kind of content came, such as `application/json`, and the content; both empty where the
            server has nothing at that path.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        with self._errors():
            try:
                answer = self._client.call_api(
                    path,
                    "GET",
                    query_params=list(query.items()),
                    _preload_content=False,
                    _request_timeout=_TIMEOUT,
                )
            except self._api.ApiException as error:
                if error.status not in _NOTHING_THERE:
                    raise
                return "", ""
        kind = str(answer.headers.get("Content-Type", "")).partition(";")[0]
        return kind, str(answer.data.decode("utf-8", errors="replace"))

    def version(self) -> str:
        """The version of the server; empty where it does not tell.

        Kubeflow's pages add the version to the answer about health; ml-pipeline itself tells none.
        """
        try:
            content = json.loads(self.get("/apis/v2beta1/healthz")[1] or "{}")
        except ValueError:
            return ""
        told = content if isinstance(content, dict) else {}
        keys = ("apiServerTagName", "tag_name", "frontendTagName")
        return next((str(told[key]) for key in keys if told.get(key)), "")

    @contextmanager
    def errors(self, absent: str = "") -> Iterator[tuple[Any, Any]]:
        """The generated interface and its client, for calls whose failures are one line with the cure.

        Args:
            absent: What a 404 means here.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        with self._errors(absent):
            yield self._api, self._client

    def _read(self, run: Any) -> Run:
        details = run.run_details.task_details if run.run_details else None
        return Run(
            run_id=identity(run.run_id),
            name=str(run.display_name),
            state=str(run.state or "PENDING"),
            error=message_of(run.error),
            link=self.link(str(run.run_id)),
            tasks=tuple(read_task(task) for task in details or []),
        )

    @contextmanager
    def _errors(self, absent: str = "") -> Iterator[None]:
        """Turn what the client raises into one line with the cure.

        Args:
            absent: What a 404 means here.
        """
        with readable_errors(self.server, absent):
            yield
