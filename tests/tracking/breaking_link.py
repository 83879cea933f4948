"""A client of a real store whose link breaks at one write."""

from __future__ import annotations

from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

_WRITES = (
    "create_run",
    "log_batch",
    "log_inputs",
    "log_artifact",
    "set_terminated",
    "create_logged_model",
    "log_model_artifact",
    "log_outputs",
    "finalize_logged_model",
)


class BreakingLink:
    """Passes everything on, and breaks at a write: before it arrives, or before the answer does.

    Args:
        client: Of the store.
        at: Number of the write that breaks, from 1.
        is_served: Whether the store has served that write, though its answer is lost.
        writes: The methods that count.
    """

    def __init__(
        self, client: MlflowClient, at: int, *, is_served: bool, writes: tuple[str, ...] = _WRITES
    ) -> None:
        self._client = client
        self._is_served = is_served
        self._writes = writes
        self.left = at
        self.has_failed = False
        self.batches: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in self._writes:
            return found

        def call(*args: Any, **options: Any) -> Any:
            if name == "log_batch":
                self.batches.append(options)
            self.left -= 1
            if self.left:
                return found(*args, **options)
            self.has_failed = True
            if self._is_served:
                found(*args, **options)
            raise MlflowException("the link broke")

        return call
