"""Where the pods of a step are: the API names none of them.

The run's details list Argo's nodes: the name that is shown, and the ids of the nodes below, but not a
node's own id. Ids follow from names, though: `WORKFLOW-HASH`, the hash being 32-bit FNV-1a of the
node's whole name (Argo Workflows, "workflow node names"), and pods are called
`WORKFLOW-TEMPLATE-HASH`. So a name is guessed from the pipeline's structure, and holds if its id is
among those that the server lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Of kfp's compiler in the backend: the container of a step, with and without retries.
_TEMPLATES = ("retry-system-container-impl", "system-container-impl")
_EXIT_HANDLER = "exit-handler-1"
_LOOP_STEP = "tune-worker"
_EXIT_STEP = "report-end"


def pods_of(step: str, children: Iterable[str], *, most_tries: int, workers: int) -> list[str]:
    """Names of the pods of a step, one a try, in their order.

    Args:
        step: Its name in the pipeline, such as `train`.
        children: Ids of the nodes below others, as the server lists them.
        most_tries: How often a step may be tried.
        workers: Of a sweep.

    Returns:
        The names; empty where none of the guesses holds, as for an unknown version of Kubeflow.
    """
    known = set(children)
    found = []
    for workflow in sorted({child.rpartition("-")[0] for child in known} - {""}):
        for name in _container_names(workflow, step, workers):
            tries = [f"{name}({number})" for number in range(most_tries)]
            for template, nodes in zip(_TEMPLATES, (tries, [name]), strict=True):
                numbers = [fnv1a(node) for node in nodes if f"{workflow}-{fnv1a(node)}" in known]
                found += [f"{workflow}-{template}-{number}" for number in numbers]
                if numbers:
                    break
    return found


def _container_names(workflow: str, step: str, workers: int) -> Iterator[str]:
    """Full names that the node of a step's container may have."""
    root = f"{workflow}.root"
    if step == _LOOP_STEP:
        loop = f"{root}.{_EXIT_HANDLER}.workers.workers-iterations"
        for number in range(workers):
            yield f"{loop}({number}:{number}).iteration-item.{step}.executor"
    elif step == _EXIT_STEP:
        yield f"{root}.{_EXIT_HANDLER}.onExit.{step}.executor"
        yield f"{root}.{step}.executor"
    else:
        yield f"{root}.{_EXIT_HANDLER}.{step}.executor"


def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash of a text (Fowler, Noll and Vo; draft-eastlake-fnv)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
