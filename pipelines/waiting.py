"""Wait for a run, and say how its steps stand."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

from ferflow.progress import duration
from pipelines.errors import PipelineError
from pipelines.logs import Pods
from pipelines.runs import Run, Task
from pipelines.sections import Steps
from pipelines.server import Cluster
from pipelines.settings import Settings

_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_OF_WAITING = 120.0
STEPS = tuple((field.alias or name).replace("_", "-") for name, field in Steps.model_fields.items())


def wait(
    cluster: Cluster,
    run_id: str,
    tell: Callable[[str], None],
    *,
    settings: Settings,
    timeout: float | None = None,
    pause: float = _SECONDS_BETWEEN_LOOKS,
    patience: float = _SECONDS_OF_WAITING,
) -> Run:
    """Wait until a run is over; each step that changes its state is one line.

    Args:
        cluster: Where it runs.
        run_id: Of the run.
        tell: Takes a line.
        settings: Of the cluster.
        timeout: Seconds; None for no limit.
        pause: Seconds between looks.
        patience: Seconds that a pod may wait before it is asked why.

    Raises:
        PipelineError: The run failed, the time is over, or the cluster is gone.
    """
    started = time.monotonic()
    known: dict[str, str] = {}
    waits = _Waits(Pods(cluster, settings), patience)
    while True:
        run = cluster.run(run_id)
        passed = time.monotonic() - started
        for identity, label, task in steps_of(run):
            if task.state and known.get(identity) != task.state:
                known[identity] = task.state
                tell(f"{duration(passed):>10}  {label}: {task.state.lower()}")
        if line := waits.look(run, passed):
            tell(f"{duration(passed):>10}  {line}")
        if run.is_over:
            if run.state != "SUCCEEDED":
                raise PipelineError(f"run {run_id} {run.state.lower()}{_why(run)}; {run.link}")
            return run
        if timeout is not None and passed > timeout:
            raise PipelineError(
                f"run {run_id} is still {run.state.lower()} after {duration(timeout)}; it goes on: "
                f"'python -m pipelines status {run_id}' says how"
            )
        time.sleep(pause)


class _Waits:
    """Notices pods that wait for long: a timeout counts from when a pod has a node, so it never ends them."""

    def __init__(self, pods: Pods, patience: float) -> None:
        self._pods, self._patience = pods, patience
        self._since: float | None = None

    def look(self, run: Run, passed: float) -> str:
        """A line about pods that wait for long; empty where none does, or it was told already."""
        if run.is_over or not any(task.state == "PENDING" for task in run.tasks):
            self._since = None
            return ""
        if self._since is None:
            self._since = passed
        if passed - self._since < self._patience:
            return ""
        self._since = math.inf
        running = [task.name for _, _, task in steps_of(run) if task.state in ("RUNNING", "PENDING")]
        return f"a pod still waits: {self._pods.why_waiting(run, list(dict.fromkeys(running)))}"


def steps_of(run: Run) -> list[tuple[str, str, Task]]:
    """The steps of a run, without the nodes that Kubeflow puts around them.

    Returns:
        For each what tells it from others, its name for people, numbered where several have it, and the
        node.
    """
    named = [task for task in run.tasks if task.name in STEPS]
    counts = Counter(task.name for task in named)
    numbers: Counter[str] = Counter()
    found = []
    for task in named:
        numbers[task.name] += 1
        label = task.name if counts[task.name] == 1 else f"{task.name} {numbers[task.name]}"
        found.append((task.task_id or label, label, task))
    return found


def failed(run: Run) -> list[Task]:
    """The steps that failed."""
    return [task for _, _, task in steps_of(run) if task.state == "FAILED"]


def _why(run: Run) -> str:
    steps = failed(run)
    names = f" in {', '.join(task.name for task in steps)}" if steps else ""
    message = next((task.error for task in steps if task.error), run.error)
    log = f"; 'python -m pipelines logs {run.run_id}' shows what it printed"
    return f"{names}{f' ({message[:200]})' if message else ''}{log}"
