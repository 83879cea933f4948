"""The compiled pipelines: the same bytes, and the settings of the cluster on the right steps."""

from __future__ import annotations

import pytest

from ferflow.errors import ParamsError
from ferflow.params import read_yaml
from pipelines.compiling import COMPILED, PIPELINES, compile_pipeline
from pipelines.settings import check_settings, load_settings
from tests.pipelines.compiled import CLUSTER, compiled_text, executors, parse, tasks

_GPU_STEPS = {"training": {"train"}, "sweep": {"train", "tune-worker"}}
_SECRETS = {
    "MLFLOW_TRACKING_URI": {"train", "tune-best", "evaluate", "register"},
    "FERFLOW_STUDY_STORAGE": {"tune-worker", "tune-best"},
    "KAGGLE_USERNAME": {"download"},
    "KAGGLE_KEY": {"download"},
}


@pytest.fixture
def values() -> dict:
    """The raw settings, to change and check."""
    return read_yaml(CLUSTER)


@pytest.fixture(params=sorted(PIPELINES))
def name(request) -> str:
    return request.param


@pytest.fixture
def compiled(name) -> tuple[dict, dict]:
    return parse(compiled_text(name))


def _step(executor: str) -> str:
    return executor.removeprefix("exec-")


def test_the_yaml_in_git_is_what_compiling_gives(name):
    text = compile_pipeline(name, load_settings())
    assert text == compile_pipeline(name, load_settings())
    path = COMPILED / f"{name}.yaml"
    assert path.read_text(encoding="utf-8") == text, f"{path}: run 'python -m pipelines compile'"


def test_gpus_are_asked_for_by_the_steps_that_train_alone(name, compiled):
    pipeline, _ = compiled
    asked = {
        _step(executor): container["resources"]["accelerator"]
        for executor, container in executors(pipeline).items()
        if "accelerator" in container["resources"]
    }
    assert set(asked) == _GPU_STEPS[name]
    for accelerator in asked.values():
        assert accelerator["resourceType"] == "nvidia.com/gpu"
        assert accelerator["resourceCount"] == "1"


def test_gpu_steps_have_node_selector_tolerations_shared_memory_and_checkpoint_volume(name, compiled):
    _, kubernetes = compiled
    for executor, entry in kubernetes.items():
        if _step(executor) not in _GPU_STEPS[name]:
            assert "nodeSelector" not in entry
            assert "tolerations" not in entry
            assert "emptyDirMounts" not in entry
            continue
        assert entry["nodeSelector"]["labels"] == {
            "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
            "cloud.google.com/gke-spot": "true",
        }
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in entry["tolerations"]
        assert "cloud.google.com/gke-spot" in [taint["key"] for taint in entry["tolerations"]]
        (memory,) = entry["emptyDirMounts"]
        assert memory | {"volumeName": ""} == {
            "medium": "Memory",
            "mountPath": "/dev/shm",  # noqa: S108
            "sizeLimit": "8Gi",
            "volumeName": "",
        }
        (volume,) = entry["pvcMount"]
        assert (volume["constant"], volume["mountPath"]) == ("ferflow-work", "/ferflow")


def test_the_gpu_step_of_a_sweep_stands_inside_the_loop():
    pipeline, _ = parse(compiled_text("sweep"))
    (loop,) = (
        entry
        for name, entry in pipeline["components"].items()
        if "dag" in entry and "tune-worker" in entry["dag"]["tasks"]
    )
    assert set(loop["dag"]["tasks"]) == {"tune-worker"}
    (iterated,) = (task for task in tasks(pipeline).values() if "parameterIterator" in task)
    assert iterated["parameterIterator"]["items"]["raw"] == "[0, 1, 2, 3]"
    assert "accelerator" in executors(pipeline)["exec-tune-worker"]["resources"]


def test_secrets_come_by_name_as_variables_of_the_steps_that_need_them(name, compiled):
    _, kubernetes = compiled
    found: dict[str, set[str]] = {}
    for executor, entry in kubernetes.items():
        for secret in entry.get("secretAsEnv", []):
            for key in secret["keyToEnv"]:
                found.setdefault(key["envVar"], set()).add(_step(executor))
    present = {_step(executor) for executor in kubernetes}
    wanted = {variable: steps & present for variable, steps in _SECRETS.items() if steps & present}
    assert found == wanted


def test_every_step_has_a_timeout_retries_resources_and_the_image(compiled):
    pipeline, kubernetes = compiled
    settings = load_settings(CLUSTER)
    for executor, container in executors(pipeline).items():
        step = settings.steps.of(_step(executor).replace("-", "_"))
        assert kubernetes[executor]["activeDeadlineSeconds"] == str(step.timeout)
        assert kubernetes[executor]["imagePullPolicy"] == "IfNotPresent"
        assert container["image"] == settings.image.name
        assert container["env"] == [{"name": "KERAS_BACKEND", "value": "tensorflow"}]
        resources = container["resources"]
        assert resources["resourceCpuLimit"] == resources["resourceCpuRequest"] == step.cpu
        assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"] == step.memory
    for task in tasks(pipeline).values():
        name = task["componentRef"]["name"].removeprefix("comp-").replace("-", "_")
        if f"exec-{name.replace('_', '-')}" not in executors(pipeline):
            continue  # The loop and the exit handler's group.
        policy = task["retryPolicy"]
        assert policy["maxRetryCount"] == settings.steps.of(name).retries
        assert policy["backoffDuration"] == f"{settings.retry.wait}s"


def test_only_secrets_that_may_be_absent_carry_a_field_that_older_versions_refuse(compiled):
    _, kubernetes = compiled
    settings = load_settings(CLUSTER)
    optional = {
        secret.name for secret in (settings.secrets.kaggle, settings.secrets.mlflow) if secret.optional
    }
    carried = {
        secret["secretName"]
        for entry in kubernetes.values()
        for secret in entry.get("secretAsEnv", [])
        if "optional" in secret
    }
    assert carried == optional == {"ferflow-kaggle"}
    assert not any("securityContext" in entry for entry in kubernetes.values())


def test_containers_run_as_whom_the_settings_say(values):
    values["security"] = {"run_as_non_root": True, "run_as_user": 10001, "run_as_group": None}
    _, kubernetes = parse(compile_pipeline("training", check_settings(values, origin="test")))
    for entry in kubernetes.values():
        assert entry["securityContext"] == {"runAsNonRoot": True, "runAsUser": "10001"}


@pytest.mark.parametrize("parallelism", [None, 2])
def test_workers_run_all_at_once_or_as_many_as_is_said(values, parallelism):
    values["sweep"] = {"workers": 4, "parallelism": parallelism}
    pipeline, _ = parse(compile_pipeline("sweep", check_settings(values, origin="test")))
    (loop,) = (task for task in tasks(pipeline).values() if "parameterIterator" in task)
    limit = loop.get("iteratorPolicy", {}).get("parallelismLimit")
    assert limit == parallelism


def test_the_host_with_a_secret_never_lands_in_the_yaml(values):
    values["server"]["host"] = "http://me:hidden@kubeflow.example"
    with pytest.raises(ParamsError, match="an address without user and password") as caught:
        check_settings(values, origin="test")
    assert "hidden" not in str(caught.value)


def test_data_steps_are_cached_and_training_is_not(compiled):
    pipeline, _ = compiled
    cached = {
        task["componentRef"]["name"].removeprefix("comp-")
        for task in tasks(pipeline).values()
        if task.get("cachingOptions", {}).get("enableCache")
    }
    assert {"check-parameters", "download", "face-filter", "split"} <= cached
    assert not cached & {"train", "tune-worker", "tune-best", "evaluate", "register", "report-end"}


def test_the_exit_handler_runs_whatever_happens(compiled):
    pipeline, _ = compiled
    handler = pipeline["root"]["dag"]["tasks"]["report-end"]
    assert handler["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_without_gpus_training_asks_for_processors_alone(values):
    values["steps"]["train"]["gpus"] = 0
    values["spot"]["enabled"] = False
    pipeline, kubernetes = parse(compile_pipeline("training", check_settings(values, origin="test")))
    assert "accelerator" not in executors(pipeline)["exec-train"]["resources"]
    for key in ("nodeSelector", "tolerations", "emptyDirMounts"):
        assert key not in kubernetes["exec-train"]


def test_another_cluster_is_another_config_alone(values):
    values["image"] |= {
        "name": "registry.example/me/ferflow:7",
        "pull_secrets": ["registry-key"],
        "backend": "jax",
    }
    values["steps"]["train"] |= {"gpus": 8, "memory": "256Gi"}
    values["gpu"] |= {"resource": "amd.com/gpu", "node_selector": {"gpu": "mi300"}, "tolerations": []}
    values["spot"] = {"enabled": False, "node_selector": {}, "tolerations": []}
    values["volumes"] = {"work": None, "data": {"claim": "archives", "path": "/data"}}
    values["secrets"] = dict.fromkeys(values["secrets"])
    pipeline, kubernetes = parse(compile_pipeline("training", check_settings(values, origin="test")))
    resources = executors(pipeline)["exec-train"]["resources"]
    assert resources["accelerator"]["resourceType"] == "amd.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "8"
    assert {container["image"] for container in executors(pipeline).values()} == {
        "registry.example/me/ferflow:7"
    }
    assert kubernetes["exec-train"]["nodeSelector"]["labels"] == {"gpu": "mi300"}
    assert [mount["mountPath"] for mount in kubernetes["exec-download"]["pvcMount"]] == ["/data"]
    assert "pvcMount" not in kubernetes["exec-train"]
    for entry in kubernetes.values():
        assert "secretAsEnv" not in entry
        assert entry["imagePullSecret"][0]["secretName"] == "registry-key"


def test_a_sweep_without_shared_storage_is_refused(values):
    values["secrets"]["postgresql"] = None
    values["volumes"]["work"] = None
    values["spot"]["enabled"] = False
    with pytest.raises(ParamsError, match=r"secrets.postgresql and volumes.work are both null"):
        compile_pipeline("sweep", check_settings(values, origin="test"))
