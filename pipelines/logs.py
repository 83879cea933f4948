"""What the pods of a run printed, and what Kubernetes says of those that wait."""

from __future__ import annotations

import json

from pipelines.errors import PipelineError
from pipelines.nodes import pods_of
from pipelines.runs import Run
from pipelines.server import Cluster
from pipelines.settings import Settings

_NAMESPACE = "kubeflow"  # Of a single-user installation.


class Pods:
    """The pods of a run's steps.

    Args:
        cluster: Where the run is.
        settings: Of the cluster.
    """

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._namespace = settings.server.namespace or _NAMESPACE

    def names(self, run: Run, step: str) -> list[str]:
        """Names of a step's pods, one a try; empty where they cannot be told."""
        most = 1 + self._settings.steps.of(step.replace("-", "_")).retries
        children = [child for task in run.tasks for child in task.children]
        return pods_of(step, children, most_tries=most, workers=self._settings.sweep.workers)

    def log(self, run_id: str, pod: str) -> str:
        """What a pod printed.

        Kubeflow's pages give logs at `/k8s/pod/logs`, ml-pipeline itself at `/apis/v1alpha1`, where a
        failure comes with status 200 and an error as JSON.

        Args:
            run_id: Of the run.
            pod: Name of the pod.

        Raises:
            PipelineError: The log is not to be had, or the server cannot be reached.
        """
        kind, text = self._cluster.get(
            "/k8s/pod/logs", podname=pod, podnamespace=self._namespace, runid=run_id
        )
        if not text or kind == "text/html":
            kind, text = self._cluster.get(f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log")
        if not text or (kind == "text/html" and text.lstrip().startswith("<")) or _error_of(text):
            said = f" ({_error_of(text)[:160]})" if _error_of(text) else ""
            raise PipelineError(
                f"the server has no log of pod {pod}{said}; while the pod is there, 'kubectl logs -n "
                f"{self._namespace} {pod} -c main' shows it"
            )
        return text

    def commands(self, run_id: str) -> str:
        """The command that shows the logs of all pods of a run, for where their names cannot be told."""
        return f"kubectl logs -n {self._namespace} -l pipeline/runid={run_id} -c main --prefix --tail=-1"

    def why_waiting(self, run: Run, steps: list[str]) -> str:
        """Why pods of a run wait, as Kubernetes' events say it, or the command that shows it.

        Args:
            run: The run.
            steps: Names of the steps whose pods may wait.
        """
        for step in steps:
            for pod in reversed(self.names(run, step)):
                if reason := self._warning(pod):
                    return f"step {step}: {reason}"
        return (
            f"'kubectl describe pods -n {self._namespace} -l pipeline/runid={run.run_id}' says why: no node "
            "with the GPU, label or room that the step wants, an image, a claim or a secret that is not there"
        )

    def _warning(self, pod: str) -> str:
        """The last warning among a pod's events; empty where there is none or they are not to be had."""
        try:
            _, text = self._cluster.get("/k8s/pod/events", podname=pod, podnamespace=self._namespace)
            events = json.loads(text or "{}")
            found = [event for event in events.get("items", []) if event.get("type") == "Warning"]
            last = found[-1] if found else {}
            return (
                " ".join(f"{last.get('reason', '')}: {last.get('message', '')}".split())[:300] if last else ""
            )
        except (PipelineError, ValueError, AttributeError, TypeError):
            return ""  # Only the hint is lost: the command that shows it is told instead.


def _error_of(text: str) -> str:
    """The error that a text is; empty for a log."""
    if not text.startswith('{"error'):
        return ""
    try:
        content = json.loads(text)
    except ValueError:
        return ""
    return " ".join(str(content.get("error_message") or content.get("error") or "").split())
