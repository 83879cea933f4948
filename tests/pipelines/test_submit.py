"""`submit` against a server that speaks the interface of Kubeflow Pipelines."""

from __future__ import annotations

import json
import socket

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from ferflow.errors import ParamsError
from ferflow.params import read_yaml
from pipelines import submitting
from pipelines.cli import app
from pipelines.errors import PipelineError
from pipelines.settings import changed, check_settings, load_settings
from tests.conftest import REPOSITORY
from tests.pipelines.compiled import CLUSTER, compiled_text

_PARAMS = REPOSITORY / "params.yaml"


def _invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def _submit(settings, name="training"):
    return submitting.submit(name, settings, _PARAMS.read_text(encoding="utf-8"))


def _failure(settings) -> str:
    """The message of a submission that fails: one line."""
    with pytest.raises(PipelineError) as caught:
        _submit(settings)
    message = str(caught.value)
    assert "\n" not in message
    assert "<" not in message
    return message


def test_submit_makes_experiment_pipeline_and_run(server, config):
    profile = str(REPOSITORY / "profiles" / "sample.yaml")  # The whole parameters are sent.
    done = _invoke("submit", "sweep", "--config", config(), "--params", profile)
    assert done.exit_code == 0, done.output
    assert done.output == f"run run-1  {server.host}/#/runs/details/run-1\n"
    assert [entry["display_name"] for entry in server.experiments.values()] == ["ferflow"]
    assert [entry["display_name"] for entry in server.pipelines.values()] == ["ferflow-sweep"]
    (run,) = server.runs.values()
    assert run["experiment_id"] == "experiment-1"
    assert run["pipeline_version_reference"] == {
        "pipeline_id": "pipeline-1",
        "pipeline_version_id": "pipeline_version-1",
    }
    sent = run["runtime_config"]["parameters"]["params"]
    assert YAML(typ="safe").load(sent) == read_yaml(_PARAMS)
    assert "#" not in sent
    assert len(sent) < 4000


def test_what_is_uploaded_is_the_compiled_pipeline(server, config):
    # The pages' address is compiled in, so that runs can link to them.
    pages = load_settings(CLUSTER).server.pages
    done = _invoke("submit", "--config", config(url=pages), "--params", str(_PARAMS))
    assert done.exit_code == 0, done.output
    compiled = list(YAML(typ="safe").load_all(compiled_text("training")))
    assert server.uploads[-1] == compiled
    assert set(compiled[0]["root"]["inputDefinitions"]["parameters"]) == {"params"}


def test_the_same_pipeline_again_is_the_same_version(server, settings):
    _submit(settings)
    assert (len(server.experiments), len(server.pipelines), len(server.versions)) == (1, 1, 1)
    _submit(settings)
    assert (len(server.experiments), len(server.pipelines), len(server.versions)) == (1, 1, 1)
    assert len(server.runs) == 2
    _submit(changed(settings, {"steps.train.gpus": 0}))
    assert (len(server.pipelines), len(server.versions), len(server.runs)) == (1, 2, 3)


@pytest.mark.parametrize(("name", "step"), [("training", "train"), ("sweep", "tune_worker")])
def test_gpus_that_would_be_idle_are_refused(server, settings, name, step):
    several = changed(settings, {f"steps.{step}.gpus": 8, "image.backend": "jax"})
    with pytest.raises(ParamsError, match=rf"steps.{step}.gpus is 8 .*; set train.devices: 8, or change"):
        _submit(several, name)
    assert server.requests == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("path", "data/fer2013.tar.xz", "download.path is data/fer2013.tar.xz"),
        ("path", "/database/fer2013.tar.xz", "download.path is /database/fer2013.tar.xz"),
        ("detector", "yunet.onnx", "download.detector is yunet.onnx"),
        ("weights", "/data/model.keras", "model.weights is /data/model.keras"),
    ],
)
def test_files_that_pods_do_not_see_are_refused(server, settings, key, value, said):
    settings = changed(settings, {"volumes.data": {"claim": "data", "path": "/data"}})
    with pytest.raises(ParamsError) as caught:
        submitting.submit("training", settings, _naming(key, value))
    assert said in str(caught.value)
    assert "mounted at /" in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "/data/fer2013.tar.xz"), ("detector", "/data/yunet.onnx"), ("weights", "/ferflow/model.keras")],
)
def test_files_on_the_volumes_are_taken_and_without_a_volume_refused(settings, key, value):
    on_volume = changed(settings, {"volumes.data": {"claim": "data", "path": "/data"}})
    assert submitting.submit("training", on_volume, _naming(key, value)).run_id == "run-1"
    bare = check_settings(
        {
            **settings.model_dump(by_alias=True),
            "volumes": {"work": None, "data": None},
            "spot": {**settings.spot.model_dump(), "enabled": False},
        },
        origin="config.yaml",
    )
    with pytest.raises(ParamsError, match=r"volumes\.(data|work) in pipelines/config.yaml is null"):
        submitting.submit("training", bare, _naming(key, value))


def test_a_file_that_would_be_cached_for_ever_is_refused(server, settings):
    settings = changed(settings, {"volumes.data": {"claim": "data", "path": "/data"}})
    named = _naming("path", "/data/fer2013.tar.xz", sha256=None)
    with pytest.raises(ParamsError, match=r"download.sha256 is null, .*sha256sum FILE.*cache: false"):
        submitting.submit("training", settings, named)
    assert server.requests == []
    uncached = changed(settings, {"steps.download.cache": False})
    assert submitting.submit("training", uncached, named).run_id == "run-1"


def test_comments_do_not_travel_and_too_long_a_file_is_refused_before_anything_is_sent(server, settings):
    text = _PARAMS.read_text(encoding="utf-8")
    commented = text + "".join(f"# remark {number} {'x' * 60}\n" for number in range(200))
    assert len(commented) > 20_000
    submitting.submit("training", settings, commented)
    assert server.runs["run-1"]["runtime_config"]["parameters"]["params"] == submitting.values_alone(text)
    server.requests.clear()
    values = read_yaml(_PARAMS)
    values["tune"]["space"] = [{"key": "model.dense_units", "kind": "choice", "choices": list(range(1, 900))}]
    with pytest.raises(ParamsError, match=r"has 1\d,\d{3} bytes without its comments, .* takes 10,000"):
        submitting.submit("training", settings, json.dumps(values))
    assert server.requests == []


def test_a_rival_that_makes_the_same_at_the_same_moment_is_used_too(server, settings):
    server.rivals = True
    assert _submit(settings).run_id == "run-1"
    assert (len(server.experiments), len(server.pipelines), len(server.versions)) == (1, 1, 1)


def test_what_this_version_of_kubeflow_does_otherwise_is_told(server, settings, config):
    server.version = "2.14.3"
    done = _invoke("submit", "--config", config(), "--params", str(_PARAMS))
    assert done.exit_code == 0, done.output
    assert (
        "note: Kubeflow Pipelines 2.14.3 does not know secrets that may be absent (optional: true)"
        in done.output
    )
    told: list[str] = []
    server.version = "2.17.1"
    submitting.submit("training", settings, _PARAMS.read_text(encoding="utf-8"), tell=told.append)
    assert [line for line in told if "retryPolicy: Always" in line] == told
    assert len(told) == 1
    told.clear()
    server.is_pages = False  # ml-pipeline itself does not tell its version.
    submitting.submit("training", settings, _PARAMS.read_text(encoding="utf-8"), tell=told.append)
    assert told == []


def _naming(key: str, value: str, *, sha256: str | None = "0" * 64) -> str:
    """A parameter file that names a file; JSON is YAML."""
    values = read_yaml(_PARAMS)
    values["model" if key == "weights" else "download"][key] = value
    if key == "path":
        values["download"] |= {"source": "archive", "sha256": sha256}
    return json.dumps(values)


def test_namespace_and_service_account_go_with_the_run(server, settings):
    server.namespaces = {"team"}
    _submit(changed(settings, {"server.namespace": "team", "server.service_account": "runner"}))
    assert server.experiments["experiment-1"]["namespace"] == "team"
    assert server.runs["run-1"]["service_account"] == "runner"


def test_a_token_from_the_environment_is_sent(server, settings, monkeypatch):
    server.token = "secret"  # noqa: S105
    monkeypatch.setenv("KFP_TOKEN", "secret")
    _submit(changed(settings, {"server.authentication": "token"}))
    assert len(server.runs) == 1


def test_a_service_account_token_is_read_from_its_file(server, settings, tmp_path):
    server.token = "mounted"  # noqa: S105
    path = tmp_path / "token"
    path.write_text("mounted\n")
    account = {"server.authentication": "service_account", "server.token_file": str(path)}
    _submit(changed(settings, account))
    assert len(server.runs) == 1
    path.unlink()
    assert "cannot be read" in _failure(changed(settings, account))


def test_a_server_that_is_not_there_is_one_line_with_the_port_forward(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    message = _failure(changed(settings, {"server.host": host}))
    assert message.startswith(f"{host}: cannot be reached")
    assert "Connection refused" in message
    assert "kubectl port-forward" in message


def test_a_missing_token_says_which_variable_to_set(server, settings):
    server.token = "secret"  # noqa: S105
    assert "export KFP_TOKEN" in _failure(settings)
    assert "wants to know who asks (401)" in _failure(settings)
    chosen = changed(settings, {"server.authentication": "token"})
    assert _failure(chosen).startswith("KFP_TOKEN: is not set")


def test_a_forbidden_namespace_says_which_role_to_ask_for(server, settings):
    server.refusal = (403, '{"code": 7, "message": "User me is not authorized\\nfor namespace team"}')
    message = _failure(changed(settings, {"server.namespace": "team"}))
    assert "does not let this account do that in namespace team (403: User me is not" in message
    assert "kubeflow-edit" in message


@pytest.mark.parametrize(
    ("namespace", "said"),
    [("teem", "does not know namespace 'teem' (404"), (None, "wants a namespace (400")],
)
def test_a_namespace_that_is_wrong_or_missing_names_the_setting(server, settings, namespace, said):
    server.namespaces = {"team"}
    message = _failure(changed(settings, {"server.namespace": namespace}))
    assert said in message
    assert "set server.namespace in pipelines/config.yaml to" in message


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "<html>nothing</html>", "has no Kubeflow Pipelines of version 2"),
        (302, "", "leads to a login page"),
        (500, '{"message": "database is gone"}', "refuses (500: database is gone)"),
        (200, "<html>login</html>", "answers, but not as Kubeflow Pipelines does"),
    ],
)
def test_other_answers_are_one_line_too(server, settings, status, body, said):
    server.refusal = (status, body)
    assert said in _failure(settings)
