"""A small server that speaks the v2beta1 REST interface of Kubeflow Pipelines on this machine.

It answers as the real one does (kubeflow/pipelines 2.17): a run's details are Argo's nodes, with names as
they are shown, ids of the nodes below, and neither pods nor errors; logs and events come from the pages'
server, whose unknown paths are its start page; ml-pipeline alone knows v1alpha1, and its errors there
come with status 200. Requests are checked against the models of kfp-server-api: an unknown field, a wrong
type or a missing one is an answer 400, as the real server gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api
from ruamel.yaml import YAML

from tests.local_server import listening

_NOW = "2026-11-01T00:00:00Z"


class KfpServer:
    """What the server has, and what it was asked.

    Attributes:
        experiments, pipelines, versions, runs: By id, as JSON.
        token: That a request must carry; empty for none.
        namespaces: That exist; None on a single-user installation.
        refusal: Status and body of every answer; None to answer.
        states: Of a run, one look after the other; the last one stays.
        nodes: Of each run, see `ArgoRun`.
        logs: Pod to what it printed.
        events: Pod to its events.
        schedules: Recurring runs by id.
        version: That the pages' server tells; empty for none.
        is_pages: Whether the pages' server is asked, or ml-pipeline itself.
        login: Where Dex sends who is not logged in; empty without Dex.
        headers: That a request must carry.
        rivals: Whether somebody else makes what is made here at the same moment.
        requests: Method and path of each request.
        uploads: The YAML of each upload.
    """

    def __init__(self) -> None:
        self.experiments: dict[str, dict[str, Any]] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.token = ""
        self.namespaces: set[str] | None = None
        self.refusal: tuple[int, str] | None = None
        self.states = ["SUCCEEDED"]
        self.nodes: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.version = ""
        self.is_pages = True
        self.login = ""
        self.headers: dict[str, str] = {}
        self.rivals = False
        self.requests: list[str] = []
        self.uploads: list[list[dict[str, Any]]] = []
        self.host = ""

    @contextmanager
    def running(self) -> Iterator[KfpServer]:
        """Listen on a free port of 127.0.0.1."""
        state = self

        class Handler(_Handler):
            server_state = state

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        with listening(server) as address:
            self.host = f"http://{address}"
            yield self


class _Refused(Exception):  # noqa: N818
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server_state: KfpServer

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer a look."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a wish."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer a wish that something goes."""
        self._answer()

    def _answer(self) -> None:
        state = self.server_state
        parts = urlsplit(self.path)
        state.requests.append(f"{self.command} {parts.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if state.refusal is not None:
                return self._send(*state.refusal)
            if state.login and not self.headers.get("Cookie"):
                return self._send(302, "", Location=state.login)
            if any(self.headers.get(name) != value for name, value in state.headers.items()):
                return self._send(401, "<html><body>Invalid IAP credentials</body></html>")
            if state.token and self.headers.get("authorization") != f"Bearer {state.token}":
                return self._send(401, "<html><body>Unauthorized</body></html>")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            answer = self._route(parts.path, query, body)
        except _Refused as error:
            return self._send(error.status, json.dumps({"code": 3, "message": str(error)}))
        return self._send(200, answer if isinstance(answer, str) else json.dumps(answer))

    def _send(self, status: int, text: str, **headers: str) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        is_json = text.startswith("{")
        kind = "application/json" if is_json else "text/html" if text.startswith("<") else "text/plain"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _route(self, path: str, query: dict[str, str], body: bytes) -> Any:
        state = self.server_state
        match [self.command, *path.strip("/").split("/")]:
            case ["GET", "apis", "v2beta1", "experiments"]:
                self._check_namespace(query.get("namespace"))
                return {"experiments": _matching(state.experiments, query)}
            case ["POST", "apis", "v2beta1", "experiments"]:
                entry = _checked(body, "V2beta1Experiment")
                self._check_namespace(entry.get("namespace"))
                return self._make(state.experiments, "experiment_id", entry)
            case ["GET", "apis", "v2beta1", "pipelines"]:
                return {"pipelines": _matching(state.pipelines, query)}
            case ["POST", "apis", "v2beta1", "pipelines"]:
                return self._make(state.pipelines, "pipeline_id", _checked(body, "V2beta1Pipeline"))
            case ["POST", "apis", "v2beta1", "pipelines", "upload"]:
                state.uploads.append(self._uploaded(body))
                entry = {"display_name": query["name"], "namespace": query.get("namespace")}
                made = self._make(state.pipelines, "pipeline_id", entry)
                # The first upload is a version already, of the pipeline's name.
                version = {"display_name": query["name"], "pipeline_id": made["pipeline_id"]}
                _add(state.versions, "pipeline_version_id", version)
                return made
            case ["POST", "apis", "v2beta1", "pipelines", "upload_version"]:
                state.uploads.append(self._uploaded(body))
                entry = {"display_name": query["name"], "pipeline_id": query["pipelineid"]}
                return self._make(state.versions, "pipeline_version_id", entry)
            case ["GET", "apis", "v2beta1", "pipelines", pipeline, "versions"]:
                found = _matching(state.versions, query)
                return {"pipeline_versions": [entry for entry in found if entry["pipeline_id"] == pipeline]}
            case ["POST", "apis", "v2beta1", "runs"]:
                return self._start(_checked(body, "V2beta1Run"))
            case ["GET", "apis", "v2beta1", "runs"]:
                return {"runs": list(state.runs.values())[: int(query["page_size"])]}
            case ["POST", "apis", "v2beta1", "runs", wanted] if wanted.endswith(":retry"):
                run = self._look(wanted.removesuffix(":retry"))
                state.runs[run["run_id"]]["retries"] = state.runs[run["run_id"]].get("retries", 0) + 1
                return {}
            case ["GET", "apis", "v2beta1", "runs", run_id]:
                return self._look(run_id)
            case ["GET", "apis", "v2beta1", "healthz"]:
                told = {"frontendTagName": state.version} if state.is_pages and state.version else {}
                return {"multi_user": state.namespaces is not None, **told}
            case ["POST", "apis", "v2beta1", "recurringruns"]:
                return self._repeat(_checked(body, "V2beta1RecurringRun"))
            case ["GET", "apis", "v2beta1", "recurringruns"]:
                return {"recurringRuns": list(state.schedules.values())}
            case ["POST", "apis", "v2beta1", "recurringruns", wanted] if wanted.endswith("able"):
                identity, _, verb = wanted.partition(":")
                self._schedule(identity)["status"] = f"{verb.upper()}D"
                return {}
            case ["DELETE", "apis", "v2beta1", "recurringruns", identity]:
                self._schedule(identity)
                del state.schedules[identity]
                return {}
            case ["GET", "k8s", "pod", kind] if state.is_pages:
                return self._pod(kind, query)
            case ["GET", "apis", "v1alpha1", "runs", _, "nodes", pod, "log"] if not state.is_pages:
                absent = {"error_message": f'pods "{pod}" not found', "error_details": "..."}
                return state.logs.get(pod, absent)
            case ["GET", *_] if state.is_pages and "apis" not in path:
                return "<!doctype html><html>Kubeflow Pipelines</html>"
        raise _Refused(404, f"{path} not found")

    def _pod(self, kind: str, query: dict[str, str]) -> Any:
        state, pod = self.server_state, query["podname"]
        if state.namespaces is not None and query.get("podnamespace") not in state.namespaces:
            raise _Refused(422, "podnamespace argument is required")
        if kind == "events":
            return {"kind": "EventList", "items": state.events.get(pod, [])}
        if pod not in state.logs:
            raise _Refused(500, f'Could not get main container logs: Error: pods "{pod}" not found')
        return state.logs[pod]

    def _make(self, entries: dict[str, dict[str, Any]], key: str, content: dict[str, Any]) -> dict[str, Any]:
        """Add an entry, unless one of its name is there: that is a conflict."""
        if self.server_state.rivals:
            _add(entries, key, content)
        if any(entry["display_name"] == content["display_name"] for entry in entries.values()):
            raise _Refused(409, f"Already exist error: {content['display_name']}")
        return _add(entries, key, content)

    def _repeat(self, wanted: dict[str, Any]) -> dict[str, Any]:
        cron = wanted["trigger"]["cron_schedule"]["cron"]
        if not cron.startswith("@") and len(cron.split()) != 6:
            raise _Refused(400, f"Schedule cron is not supported: {cron}")
        entry = {**wanted, "status": "ENABLED"}
        return _add(self.server_state.schedules, "recurring_run_id", entry)

    def _schedule(self, identity: str) -> dict[str, Any]:
        if identity not in self.server_state.schedules:
            raise _Refused(404, f"recurring run {identity} not found")
        return self.server_state.schedules[identity]

    def _start(self, run: dict[str, Any]) -> dict[str, Any]:
        state = self.server_state
        if run["experiment_id"] not in state.experiments:
            raise _Refused(404, f"experiment {run['experiment_id']} not found")
        if run["pipeline_version_reference"]["pipeline_version_id"] not in state.versions:
            raise _Refused(404, "pipeline version not found")
        return _add(state.runs, "run_id", {**run, "state": "PENDING"})

    def _look(self, run_id: str) -> dict[str, Any]:
        state = self.server_state
        if run_id not in state.runs:
            raise _Refused(404, f"run {run_id} not found")
        now = state.states.pop(0) if len(state.states) > 1 else state.states[0]
        return {**state.runs[run_id], "state": now, "run_details": {"task_details": state.nodes}}

    def _check_namespace(self, namespace: str | None) -> None:
        known = self.server_state.namespaces
        if known is None:
            return
        if namespace is None:
            raise _Refused(400, "Namespace cannot be empty in multi-user mode")
        if namespace not in known:
            raise _Refused(404, f'namespaces "{namespace}" not found')

    def _uploaded(self, body: bytes) -> list[dict[str, Any]]:
        """The documents of the YAML in a form."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = message_from_bytes(head + body).get_payload()
        assert part.get_param("name", header="content-disposition") == "uploadfile"
        return list(YAML(typ="safe").load_all(part.get_payload(decode=True).decode()))


def _checked(body: bytes, model: str) -> dict[str, Any]:
    """A request's JSON, checked by the model of kfp-server-api."""
    content = json.loads(body)
    _check_fields(content, model)
    return dict(content)


def _check_fields(content: dict[str, Any], model: str) -> None:
    kind = getattr(kfp_server_api, model)
    names = {wire: name for name, wire in kind.attribute_map.items()}
    if unknown := set(content) - set(names):
        raise _Refused(400, f"{model}: unknown field {sorted(unknown)}")
    configuration = kfp_server_api.Configuration()
    kind(**{names[wire]: value for wire, value in content.items()}, local_vars_configuration=configuration)
    for wire, value in content.items():
        wanted = kind.openapi_types[names[wire]]
        if wanted == "str" and not isinstance(value, str):
            raise _Refused(400, f"{model}.{wire}: {value!r} is no text")
        if wanted.startswith("V2beta1") and isinstance(value, dict):
            _check_fields(value, wanted)


def _matching(entries: dict[str, dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    predicates = json.loads(query["filter"])["predicates"] if "filter" in query else []
    for predicate in predicates:
        # The server takes the name in either style; kfp's own client uses this one.
        renamed = {{"stringValue": "string_value"}.get(key, key): value for key, value in predicate.items()}
        _check_fields(renamed, "V2beta1Predicate")
    return [
        entry
        for entry in entries.values()
        if all(entry[wanted["key"]] == wanted["stringValue"] for wanted in predicates)
    ]


def _add(entries: dict[str, dict[str, Any]], key: str, content: dict[str, Any]) -> dict[str, Any]:
    name = f"{key.removesuffix('_id')}-{len(entries) + 1}"
    entries[name] = {**content, key: name, "created_at": _NOW}
    return entries[name]
