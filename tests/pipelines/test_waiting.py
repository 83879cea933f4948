"""`submit --wait`, `status` and `logs` on runs as Kubeflow's backend lists them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pipelines import submitting, waiting
from pipelines.cli import app
from pipelines.errors import PipelineError
from pipelines.logs import Pods
from pipelines.nodes import fnv1a
from pipelines.server import Cluster
from pipelines.settings import changed
from tests.conftest import REPOSITORY
from tests.pipelines.argo import WORKFLOW, frame_nodes, step_nodes

_PARAMS = REPOSITORY / "params.yaml"


@pytest.fixture
def run(server, settings):
    return submitting.submit("training", settings, _PARAMS.read_text(encoding="utf-8"))


def _invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def _wait(settings, run, **options) -> list[str]:
    """The lines that waiting tells, without their times."""
    told: list[str] = []
    waiting.wait(
        Cluster(settings.server), run.run_id, told.append, settings=settings, **{"pause": 0.0, **options}
    )
    return [line.strip().partition("  ")[2] for line in told]


def test_the_hash_is_that_of_its_authors_test_vectors():
    # FNV-1a, 32 bits, of "", "a" and "foobar": test vectors of Fowler, Noll and Vo.
    assert [fnv1a(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


def test_waiting_tells_each_change_of_a_step_once_and_nothing_of_the_nodes_around(server, settings, run):
    server.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    server.nodes = [
        *frame_nodes(),
        *step_nodes("split", ["SUCCEEDED"])[0],
        *step_nodes("train", ["RUNNING"])[0],
    ]
    assert _wait(settings, run) == ["split: succeeded", "train: running"]


def test_workers_of_one_name_are_told_apart(server, settings, run):
    loops = [
        f"{WORKFLOW}.root.exit-handler-1.workers.workers-iterations({n}:{n}).iteration-item" for n in (0, 1)
    ]
    server.states = ["RUNNING", "SUCCEEDED"]
    server.nodes = [
        node
        for loop, state in zip(loops, ["RUNNING", "FAILED"], strict=True)
        for node in step_nodes("tune-worker", [state], below=loop)[0]
    ]
    assert _wait(settings, run) == ["tune-worker 1: running", "tune-worker 2: failed"]


def test_a_failed_run_names_the_step_and_where_its_log_is(server, settings, run):
    server.states = ["FAILED"]
    server.nodes = [*frame_nodes("FAILED"), *step_nodes("train", ["FAILED", "FAILED"])[0]]
    with pytest.raises(PipelineError) as caught:
        _wait(settings, run)
    message = str(caught.value)
    assert f"run {run.run_id} failed in train; 'python -m pipelines logs {run.run_id}'" in message
    assert "\n" not in message


def test_a_pod_that_waits_for_long_is_told_once_with_the_reason_of_kubernetes(server, settings, run):
    nodes, (pod,) = step_nodes("train", ["PENDING"])
    nodes[1]["state"] = "RUNNING"
    server.nodes = nodes
    server.states = ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    server.events[pod] = [
        {"type": "Normal", "reason": "Scheduled", "message": "assigned"},
        {
            "type": "Warning",
            "reason": "FailedScheduling",
            "message": "0/4 nodes are available:\n4 Insufficient gpu",
        },
    ]
    lines = _wait(settings, run, patience=0.0)
    reason = "a pod still waits: step train: FailedScheduling: 0/4 nodes are available: 4 Insufficient gpu"
    assert lines.count(reason) == 1


def test_a_pod_that_waits_without_events_names_the_command_that_tells_why(server, settings, run):
    server.nodes = [{"task_id": "1", "display_name": "train-driver", "state": "PENDING"}]
    server.states = ["RUNNING", "SUCCEEDED"]
    (line,) = _wait(settings, run, patience=0.0)
    assert f"'kubectl describe pods -n kubeflow -l pipeline/runid={run.run_id}' says why" in line


def test_waiting_ends_after_its_time_and_leaves_the_run_alone(server, settings, run):
    server.states = ["RUNNING"]
    with pytest.raises(PipelineError, match=r"is still running after 0 s; it goes on"):
        _wait(settings, run, timeout=0.01, pause=0.02)


def test_status_lists_runs_and_steps(server, run, config):
    server.nodes = [*frame_nodes(), *step_nodes("split", ["SUCCEEDED"])[0]]
    assert "run-1  PENDING    training sample" in _invoke("status", "--config", config()).output
    shown = _invoke("status", "run-1", "--config", config()).output
    assert "split                SUCCEEDED" in shown
    assert "executor" not in shown
    assert "driver" not in shown


def test_status_of_an_experiment_without_runs_says_so_and_makes_none(server, config):
    done = _invoke("status", "--config", config())
    assert done.exit_code == 0
    assert "no runs in experiment ferflow yet" in done.output
    assert server.experiments == {}


def test_an_unreadable_answer_is_not_taken_for_no_runs(server, config):
    server.refusal = (200, "[1, 2]")
    done = _invoke("status", "--config", config())
    assert isinstance(done.exception, PipelineError), done.output
    assert "answers, but not as Kubeflow Pipelines does" in str(done.exception)


def test_a_failed_run_is_retried_and_no_other(server, settings, run, config):
    server.states = ["RUNNING"]
    refused = _invoke("retry", "run-1", "--config", config())
    assert "run run-1 is running, expected failed" in str(refused.exception)
    server.states = ["FAILED"]
    done = _invoke("retry", "run-1", "--config", config())
    assert done.output.startswith("run run-1 goes on")
    assert server.runs["run-1"]["retries"] == 1
    with pytest.raises(PipelineError, match=r"there is no run run-2"):
        Cluster(settings.server).retry("run-2")


@pytest.mark.parametrize("is_pages", [True, False], ids=["ml-pipeline-ui", "ml-pipeline"])
def test_logs_are_those_of_every_try_of_the_steps_that_failed(server, run, config, is_pages):
    server.is_pages = is_pages
    split, (split_pod,) = step_nodes("split", ["SUCCEEDED"])
    train, train_pods = step_nodes("train", ["FAILED", "FAILED"])
    server.nodes = [*frame_nodes("FAILED"), *split, *train]
    server.logs = {split_pod: "done\n", train_pods[0]: "evicted\n", train_pods[1]: "error: no space\n"}
    shown = _invoke("logs", "run-1", "--config", config()).output
    assert shown == (f"--- train ({train_pods[0]})\nevicted\n--- train ({train_pods[1]})\nerror: no space\n")
    assert "done" in _invoke("logs", "run-1", "split", "--config", config()).output


def test_pods_of_workers_in_the_loop_are_found(server, settings, run):
    loop = f"{WORKFLOW}.root.exit-handler-1.workers.workers-iterations(3:3).iteration-item"
    server.nodes, pods = step_nodes("tune-worker", ["FAILED"], below=loop)
    cluster = Cluster(settings.server)
    assert Pods(cluster, settings).names(cluster.run("run-1"), "tune-worker") == pods


@pytest.mark.parametrize("is_pages", [True, False], ids=["ml-pipeline-ui", "ml-pipeline"])
def test_a_log_that_is_gone_names_the_command(server, settings, run, is_pages):
    server.is_pages = is_pages
    with pytest.raises(PipelineError, match=r"no log of pod pod-9.*'kubectl logs -n kubeflow pod-9 -c main'"):
        Pods(Cluster(settings.server), settings).log("run-1", "pod-9")


def test_pods_that_cannot_be_told_are_asked_for_by_label(server, run, config):
    server.nodes = [{"task_id": "1", "display_name": "train", "state": "FAILED"}]
    done = _invoke("logs", "run-1", "--config", config(namespace="team"))
    assert isinstance(done.exception, PipelineError)
    assert "kubectl logs -n team -l pipeline/runid=run-1 -c main --prefix --tail=-1" in str(done.exception)


def test_what_is_not_there_is_said_with_what_is(server, settings, run, config):
    cluster = Cluster(settings.server)
    with pytest.raises(PipelineError, match=r"there is no run run-9; see 'python -m pipelines status'"):
        cluster.run("run-9")
    server.nodes = [{"task_id": "1", "display_name": "split"}]
    done = _invoke("logs", "run-1", "cook", "--config", config())
    assert isinstance(done.exception, PipelineError)
    assert "no step 'cook'; its steps are split" in str(done.exception)


def test_logs_of_another_namespace_are_asked_for_there(server, settings, run):
    server.namespaces = {"team"}
    server.logs = {"pod-1": "hello"}
    elsewhere = changed(settings, {"server.namespace": "team"})
    assert Pods(Cluster(elsewhere.server), elsewhere).log("run-1", "pod-1") == "hello"
