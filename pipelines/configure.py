"""The settings of a step on its task: resources, nodes, secrets, volumes, tries, cache."""

from __future__ import annotations

from collections.abc import Mapping

from kfp import kubernetes
from kfp.dsl import PipelineTask

from pipelines.sections import Secret, Toleration
from pipelines.settings import Settings

# Steps that go on from their last epoch, and so may be taken off a node.
ON_SPOT = ("train", "tune_worker")
# Steps that keep checkpoints or journals on the work volume.
ON_WORK_VOLUME = ("train", "tune_worker", "tune_best", "evaluate", "register")
ON_DATA_VOLUME = ("download",)


def configure(task: PipelineTask, name: str, settings: Settings) -> PipelineTask:
    """Give a task what the settings say of its step.

    Args:
        task: The task.
        name: The step's key under `steps`.
        settings: Of the cluster.

    Returns:
        The task.
    """
    step = settings.steps.of(name)
    task.set_container_image(settings.image.name)
    task.set_env_variable("KERAS_BACKEND", settings.image.backend)
    task.set_cpu_request(step.cpu).set_cpu_limit(step.cpu)
    task.set_memory_request(step.memory).set_memory_limit(step.memory)
    task.set_caching_options(enable_caching=step.cache)
    retry = settings.retry
    task.set_retry(
        num_retries=step.retries,
        backoff_duration=f"{retry.wait}s",
        backoff_factor=float(retry.factor),
        backoff_max_duration=f"{retry.window(step)}s",
    )
    kubernetes.set_timeout(task, seconds=step.timeout)
    kubernetes.set_image_pull_policy(task, settings.image.pull_policy)
    if settings.image.pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(settings.image.pull_secrets))
    if step.gpus:
        _add_gpus(task, step.gpus, settings)
    if name in ON_SPOT and settings.spot.enabled:
        _place(task, settings.spot.node_selector, settings.spot.tolerations)
    for kind in step.secrets:
        secret = getattr(settings.secrets, kind)
        if secret is not None:
            _add_secret(task, secret)
    for volume, names in ((settings.volumes.work, ON_WORK_VOLUME), (settings.volumes.data, ON_DATA_VOLUME)):
        if volume is not None and name in names:
            kubernetes.mount_pvc(task, pvc_name=volume.claim, mount_path=volume.path)
    if chosen := settings.security.model_dump(exclude_none=True):
        kubernetes.set_security_context(task, **chosen)
    return task


def _add_secret(task: PipelineTask, secret: Secret) -> None:
    kubernetes.use_secret_as_env(
        task, secret_name=secret.name, secret_key_to_env=secret.keys, optional=secret.optional
    )
    if not secret.optional:
        # kfp writes the default, too, which Kubeflow before 2.15 refuses as an unknown field.
        del task.platform_config["kubernetes"]["secretAsEnv"][-1]["optional"]


def _add_gpus(task: PipelineTask, number: int, settings: Settings) -> None:
    gpu = settings.gpu
    task.set_accelerator_type(gpu.resource).set_accelerator_limit(number)
    _place(task, gpu.node_selector, gpu.tolerations)
    if gpu.shared_memory is not None:
        kubernetes.empty_dir_mount(
            task,
            volume_name="shared-memory",
            mount_path="/dev/shm",  # noqa: S108
            medium="Memory",
            size_limit=gpu.shared_memory,
        )


def _place(task: PipelineTask, labels: Mapping[str, str], tolerations: list[Toleration]) -> None:
    for key, value in labels.items():
        kubernetes.add_node_selector(task, label_key=key, label_value=value)
    for toleration in tolerations:
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
        )
