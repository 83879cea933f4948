"""Argo Workflows as far as the tests need it: the nodes of a run, and its rule of retries.

Both follow Argo's documentation and what Kubeflow's backend passes on, not our own code: ids are worked
out with the standard's reference values, and names are those that the backend's compiler gives.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WORKFLOW = "ferflow-training-x7k2p"
_PRIME, _OFFSET = 16777619, 2166136261


def node_id(name: str) -> str:
    """The id of a node of that whole name."""
    value = _OFFSET
    for byte in name.encode("utf-8"):
        value ^= byte
        value = value * _PRIME % 2**32
    return f"{WORKFLOW}-{value}"


def step_nodes(
    step: str,
    states: Sequence[str],
    *,
    below: str = f"{WORKFLOW}.root.exit-handler-1",
) -> tuple[list[dict[str, Any]], list[str]]:
    """The nodes of a step that was tried several times, as the API lists them.

    Args:
        step: Its name.
        states: Of its tries.
        below: Whole name of the node above.

    Returns:
        The nodes, and the names of the step's pods.
    """
    executor = f"{below}.{step}.executor"
    tries = [f"{executor}({number})" for number in range(len(states))]
    nodes = [
        _node(f"{step}-driver", "SUCCEEDED", []),
        _node(step, states[-1], [node_id(executor)]),
        _node("executor", states[-1], [node_id(name) for name in tries]),
        *(_node(f"executor({number})", state, []) for number, state in enumerate(states)),
    ]
    pods = [node_id(name).replace("-x7k2p-", "-x7k2p-retry-system-container-impl-") for name in tries]
    return nodes, pods


def frame_nodes(state: str = "RUNNING") -> list[dict[str, Any]]:
    """The nodes around the steps."""
    return [
        _node(WORKFLOW, state, [node_id(f"{WORKFLOW}.root-driver")]),
        _node("root-driver", "SUCCEEDED", []),
        _node("root", state, []),
        _node("exit-handler-1-driver", "SUCCEEDED", []),
        _node("exit-handler-1", state, []),
    ]


def _node(name: str, state: str, children: Sequence[str]) -> dict[str, Any]:
    _node.number += 1  # type: ignore[attr-defined]
    return {
        "run_id": "run-1",
        "task_id": f"task-{_node.number}",  # type: ignore[attr-defined]
        "display_name": name,
        "state": state,
        "execution_id": "0",
        "child_tasks": [{"pod_name": child} for child in children],
    }


_node.number = 0  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Retry:
    """A step's retry strategy, in seconds: Argo's limit, backoff and maxDuration, and the pod's deadline."""

    limit: int
    wait: float
    factor: float
    max_duration: float
    deadline: float


def run_on_spot(
    retry: Retry, *, work: float, seed: int, lease: float, queue: float
) -> tuple[bool, float, int]:
    """Run a step that goes on from its last checkpoint on nodes that are taken away at random.

    Argo's rule, from its documentation of retry strategies and the backoff of its controller: the n-th
    retry begins after `wait * factor ** (n - 1)`, and none begins, nor does a try go on, more than
    `max_duration` after the first one began. Pods wait for a node, and their deadline counts from then.

    Args:
        retry: The strategy.
        work: Seconds of computing that are needed in all.
        seed: Of the evictions.
        lease: Mean seconds until a node is taken away.
        queue: Mean seconds until a pod has a node.

    Returns:
        Whether the step ended well, the seconds that it took, and the tries.
    """
    chance = random.Random(seed)
    now = done = 0.0
    for number in range(retry.limit + 1):
        if number:
            now += retry.wait * retry.factor ** (number - 1)
            if now > retry.max_duration:
                return False, now, number
        now += chance.expovariate(1 / queue) if queue else 0.0
        left = work - done
        lasts = min(left, chance.expovariate(1 / lease), retry.deadline)
        if now + lasts > retry.max_duration:
            return False, retry.max_duration, number + 1
        now, done = now + lasts, done + lasts
        if lasts == left:
            return True, now, number + 1
    return False, now, retry.limit + 1
