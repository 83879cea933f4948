"""`submit`, `status` and `logs` against a server that speaks the interface of Kubeflow Pipelines."""

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
from pipelines.server import Cluster
from pipelines.settings import changed, check_settings, load_settings
from tests.conftest import REPOSITORY
from tests.pipelines.compiled import CLUSTER, compiled_text
from tests.pipelines.kfp_server import KfpServer

_PARAMS = REPOSITORY / "profiles" / "sample.yaml"


@pytest.fixture
def server():
    with KfpServer().running() as running:
        yield running


@pytest.fixture
def settings(server):
    return changed(load_settings(CLUSTER), {"server.host": server.host})


@pytest.fixture
def config(server, tmp_path):
    """A config file for that server, with changes of its section."""

    def write(**section: object) -> str:
        yaml = YAML()
        content = yaml.load(CLUSTER.read_text(encoding="utf-8"))
        content["server"] |= {"host": server.host, **section}
        path = tmp_path / "config.yaml"
        with path.open("w") as stream:
            yaml.dump(content, stream)
        return str(path)

    return write


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
    done = _invoke("submit", "sweep", "--config", config(), "--params", str(_PARAMS))
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
    assert run["runtime_config"] == {"parameters": {"params": _PARAMS.read_text(encoding="utf-8")}}


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


def _naming(key: str, value: str) -> str:
    """A parameter file that names a file; JSON is YAML."""
    values = read_yaml(_PARAMS)
    values["model" if key == "weights" else "download"][key] = value
    if key == "path":
        values["download"]["source"] = "archive"
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


def test_waiting_tells_each_change_of_a_step_once(server, settings):
    run = _submit(settings)
    server.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    server.tasks = [{"display_name": "train", "state": "RUNNING"}]
    told: list[str] = []
    done = submitting.wait(Cluster(settings.server), run.run_id, told.append, pause=0)
    assert done.is_over
    assert [line.strip() for line in told] == ["0 s  train: running"]


def test_a_failed_run_names_the_step_and_where_its_log_is(server, settings):
    run = _submit(settings)
    server.states = ["FAILED"]
    server.tasks = [{"display_name": "train", "state": "FAILED", "error": {"message": "exit code 1"}}]
    with pytest.raises(PipelineError) as caught:
        submitting.wait(Cluster(settings.server), run.run_id, lambda _: None, pause=0)
    message = str(caught.value)
    assert f"run {run.run_id} failed in train (exit code 1)" in message
    assert f"python -m pipelines logs {run.run_id}" in message
    assert "\n" not in message


def test_a_wrong_image_ends_the_wait_though_the_run_goes_on(server, settings):
    run = _submit(settings)
    server.states = ["RUNNING"]
    server.tasks = [
        {"display_name": "train", "state": "PENDING", "error": {"message": "ImagePullBackOff: not found"}}
    ]
    with pytest.raises(PipelineError, match=r"step train cannot have image ferflow:0.1.0 .*make image"):
        submitting.wait(
            Cluster(settings.server), run.run_id, lambda _: None, pause=0, image=settings.image.name
        )


def test_waiting_ends_after_its_time_and_leaves_the_run_alone(server, settings):
    run = _submit(settings)
    server.states = ["RUNNING"]
    with pytest.raises(PipelineError, match=r"is still running after 0 s; it goes on"):
        submitting.wait(Cluster(settings.server), run.run_id, lambda _: None, timeout=0.01, pause=0.02)


def test_status_lists_runs_and_steps(server, settings, config):
    _submit(settings)
    server.tasks = [{"display_name": "split", "state": "SUCCEEDED"}, {"display_name": "train"}]
    assert "run-1  PENDING    training sample" in _invoke("status", "--config", config()).output
    shown = _invoke("status", "run-1", "--config", config()).output
    assert "split                SUCCEEDED" in shown
    assert "train                waits" in shown


def test_status_of_an_experiment_without_runs_says_so_and_makes_none(server, config):
    done = _invoke("status", "--config", config())
    assert done.exit_code == 0
    assert "no runs in experiment ferflow yet" in done.output
    assert server.experiments == {}


def test_a_failed_run_is_retried_and_no_other(server, settings, config):
    _submit(settings)
    server.states = ["RUNNING"]
    refused = _invoke("retry", "run-1", "--config", config())
    assert "run run-1 is running, expected failed" in str(refused.exception)
    server.states = ["FAILED"]
    done = _invoke("retry", "run-1", "--config", config())
    assert done.output.startswith("run run-1 goes on")
    assert server.runs["run-1"]["retries"] == 1
    with pytest.raises(PipelineError, match=r"there is no run run-2"):
        Cluster(settings.server).retry("run-2")


def test_logs_are_those_of_the_steps_that_failed(server, settings, config):
    _submit(settings)
    server.tasks = [
        {"display_name": "split", "state": "SUCCEEDED", "pod_name": "pod-1"},
        {"display_name": "train", "state": "FAILED", "child_tasks": [{"pod_name": "pod-2"}]},
    ]
    server.logs = {"pod-1": "done\n", "pod-2": "error: no space\n"}
    assert _invoke("logs", "run-1", "--config", config()).output == "--- train (pod-2)\nerror: no space\n"
    assert "done" in _invoke("logs", "run-1", "split", "--config", config()).output


def test_what_is_not_there_is_said_with_what_is(server, settings, config):
    cluster = Cluster(settings.server)
    with pytest.raises(PipelineError, match=r"there is no run run-9; see 'python -m pipelines status'"):
        cluster.run("run-9")
    _submit(settings)
    with pytest.raises(PipelineError, match=r"no log of pod pod-9 any more; try 'kubectl logs"):
        cluster.log("run-1", "pod-9")
    server.tasks = [{"display_name": "split"}]
    done = _invoke("logs", "run-1", "cook", "--config", config())
    assert isinstance(done.exception, PipelineError)
    assert "no step 'cook'; its steps are split" in str(done.exception)
