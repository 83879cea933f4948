"""What the server says of a run: its state and its nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

# States of a run that goes on no longer.
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass(frozen=True)
class Task:
    """A node of a run: a step, or one of those that Kubeflow puts around steps.

    Attributes:
        task_id: Given by the server.
        name: As it is shown; that of a step is its name in the pipeline.
        state: Such as `RUNNING`; empty before it has one.
        error: What Kubeflow says went wrong; empty where nothing did, and of most versions always.
        children: Ids of the nodes below.
    """

    task_id: str
    name: str
    state: str
    error: str
    children: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A run on the cluster.

    Attributes:
        run_id: Given by the server.
        name: For people.
        state: Such as `RUNNING`.
        error: What went wrong; empty where nothing did.
        link: Its page.
        tasks: Its nodes.
    """

    run_id: str
    name: str
    state: str
    error: str
    link: str
    tasks: tuple[Task, ...]

    @property
    def is_over(self) -> bool:
        """Whether it goes on no longer."""
        return self.state in ENDED


def identity(value: str | None) -> str:
    """An id that an answer must hold.

    Raises:
        ValueError: It does not.
    """
    if not value:
        raise ValueError("no id in the answer")
    return value


def entries(client: Any, answer: Any, name: str) -> list[Any]:
    """The entries of a list that the server gave; of an answer of another kind the client makes an empty one.

    Args:
        client: That asked; it keeps what came last.
        answer: What it made of that.
        name: Of the list.

    Raises:
        ValueError: What came is no such list.
    """
    found = getattr(answer, name)
    if found is None:
        content = json.loads(client.last_response.data)
        if not isinstance(content, dict) or set(content) - set(answer.attribute_map.values()):
            raise ValueError(f"no list of {name} in the answer")
    return list(found or [])


def read_task(task: Any) -> Task:
    """A node, as kfp-server-api gives it."""
    children = (child.pod_name or child.task_id for child in task.child_tasks or [])
    return Task(
        task_id=str(task.task_id or ""),
        name=str(task.display_name),
        state=str(task.state or ""),
        error=message_of(task.error),
        children=tuple(child for child in children if child),
    )


def message_of(status: Any) -> str:
    """The message of a status in one line; empty without one."""
    return " ".join(str(status.message).split()) if status is not None and status.message else ""


def named(name: str) -> str:
    """A filter that wants a name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def given(**values: str | None) -> dict[str, str]:
    """Those that are given: the client writes None as text."""
    return {name: value for name, value in values.items() if value is not None}
