"""Runs read back from the store: what they were set to, what they reached, what they predicted."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow.errors import TrackingError
from ferflow.params.evaluate import NUM_VIEWS
from ferflow.tracking import names
from ferflow.tracking.comparison.paired import Predictions, read_predictions
from ferflow.tracking.store import shown, store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINISHED = "FINISHED"

_SHORTEST_PREFIX = 4
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class TrackedRun:
    """A run as the store has it.

    Attributes:
        run_id: 32 hex digits.
        name: What people call it; need not be unique.
        status: `FINISHED`, `RUNNING`, `FAILED` or `KILLED`.
        started: Milliseconds since 1970.
        description: A sentence on it; may be empty.
        params: Dotted key of `params.yaml` to value as text.
        metrics: Name to last value.
        tags: Name to text.
        model_ids: Logged models of the run, oldest first.
    """

    run_id: str
    name: str
    status: str
    started: int
    description: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    model_ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and the id's first digits, which together are unique."""
        return f"{self.name} ({self.run_id[:8]})"

    @property
    def started_at(self) -> datetime:
        """When it began, in UTC."""
        return datetime.fromtimestamp(self.started / 1000, UTC)

    @property
    def cost(self) -> int | None:
        """Multiply-adds of one answer: of the network, times the views it is asked for."""
        once = self.metrics.get(names.MULTIPLY_ADDS)
        views = NUM_VIEWS.get(self.params.get("evaluate.test_time_augmentation", "none"))
        return None if once is None or views is None else round(once) * views


def find_run(client: MlflowClient, experiment_id: str, wanted: str) -> TrackedRun:
    """The run of an id, of an id's first digits, or of a name; of several the name fits, the newest.

    Raises:
        TrackingError: There is none, the digits fit several, or the store cannot be reached.
    """
    runs = _search(client, experiment_id)
    if len(wanted) >= _SHORTEST_PREFIX and _HEX.fullmatch(wanted):
        fitting = [run for run in runs if run.run_id.startswith(wanted)]
        if len(fitting) > 1:
            listed = ", ".join(run.label for run in fitting[:3])
            raise TrackingError(f"run {wanted}: {len(fitting)} runs begin so ({listed}); give more digits")
        if fitting:
            return fitting[0]
    for run in runs:
        if run.name == wanted:
            return run
    known = ", ".join(run.label for run in runs[:5]) or "none"
    raise TrackingError(
        f"run {wanted!r}: not in {shown(client.tracking_uri)}; the newest there: {known}; "
        "give an id, its first digits or a name"
    )


def newest_runs(client: MlflowClient, experiment_id: str, *, number: int) -> list[TrackedRun]:
    """The newest finished runs that were scored, oldest of them first."""
    scored = [
        run
        for run in _search(client, experiment_id, f"attributes.status = '{FINISHED}'")
        if names.TEST_ACCURACY in run.metrics
    ]
    return scored[:number][::-1]


def all_runs(client: MlflowClient, experiment_id: str) -> list[TrackedRun]:
    """Every run of a training, newest first, whatever its state; trials of sweeps are left out."""
    found = _search(client, experiment_id, "")
    return [run for run in found if names.TAG_RUN in run.tags]


def run_of_training(client: MlflowClient, experiment_id: str, fingerprint: str) -> TrackedRun | None:
    """The newest finished run of a training; None where the store has none.

    Args:
        client: The client of the store.
        experiment_id: The id of the experiment.
        fingerprint: The fingerprint of the training, as in `reports/train.json`.
    """
    wanted = f"tags.`{names.TAG_RUN}` = '{fingerprint}' and attributes.status = '{FINISHED}'"
    return next(iter(_search(client, experiment_id, wanted)), None)


def get_run(client: MlflowClient, run_id: str) -> TrackedRun:
    """The run of an id.

    Raises:
        TrackingError: There is none, or the store cannot be reached.
    """
    with store_errors(client.tracking_uri):
        return _read(client.get_run(run_id))


def predictions_of(client: MlflowClient, run: TrackedRun) -> Predictions:
    """What the run's network said of the test images.

    Raises:
        TrackingError: The run holds no predictions, or the store cannot be reached.
        DataError: They are damaged.
    """
    with tempfile.TemporaryDirectory(prefix="ferflow-") as folder:
        with store_errors(client.tracking_uri):
            held = {item.path for item in client.list_artifacts(run.run_id, names.REPORTS)}
        if names.PREDICTIONS not in held:
            raise TrackingError(
                f"run {run.label}: holds no {names.PREDICTIONS}; run 'ferflow evaluate' and "
                "'ferflow track sync', or choose another run"
            )
        with store_errors(client.tracking_uri):
            path = client.download_artifacts(run.run_id, names.PREDICTIONS, dst_path=folder)
        return read_predictions(Path(path))


def histories_of(client: MlflowClient, run: TrackedRun) -> dict[str, list[tuple[int, float]]]:
    """The run's metrics of each epoch: name to (epoch, value), in order; only those it has."""
    result = {}
    for name in names.EPOCH_METRICS:
        if name in run.metrics:
            with store_errors(client.tracking_uri):
                values = client.get_metric_history(run.run_id, name)
            result[name] = sorted({value.step: value.value for value in values}.items())
    return result


def _search(client: MlflowClient, experiment_id: str, wanted: str = "") -> list[TrackedRun]:
    """The runs of the experiment, newest first."""
    runs: list[TrackedRun] = []
    token = None
    while True:
        with store_errors(client.tracking_uri):
            page = client.search_runs(
                [experiment_id],
                filter_string=wanted,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        runs += [_read(run) for run in page]
        token = page.token
        if not token:
            return runs


def _read(run: Run) -> TrackedRun:
    outputs = run.outputs.model_outputs if run.outputs else []
    return TrackedRun(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id[:8],
        status=run.info.status,
        started=run.info.start_time,
        description=run.data.tags.get(names.TAG_DESCRIPTION, ""),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
        model_ids=tuple(output.model_id for output in outputs),
    )
