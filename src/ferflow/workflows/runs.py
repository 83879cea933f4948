"""The runs that are written here, and how they reach the tracking store."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ferflow import paths
from ferflow.errors import TrackingError
from ferflow.tracking import ui
from ferflow.tracking.address import shown, tracking_uri
from ferflow.tracking.comparison.dashboard import collect
from ferflow.tracking.comparison.dashboard_page import write_dashboard
from ferflow.tracking.outbox import sync as outbox
from ferflow.tracking.outbox.sync import Status
from ferflow.tracking.outbox.transfer import Brought, bring_all
from ferflow.tracking.run_table import run_table
from ferflow.tracking.store import client, experiment_id, open_existing
from ferflow.tracking.tracked_run import all_runs

_ROOT = Path()


@dataclass(frozen=True)
class SyncReport:
    """What was sent.

    Attributes:
        found: Runs that were sent, that could not be, and that only another store has.
        place: The store, without secrets.
    """

    found: Brought
    place: str

    @property
    def is_whole(self) -> bool:
        """Whether the store has every run now."""
        return not (self.found.failed or self.found.elsewhere)


def sync() -> SyncReport:
    """Send every run that the MLflow store does not have yet, each exactly once.

    Raises:
        TrackingError: The store cannot be reached or used.
    """
    found = bring_all(_ROOT)
    return SyncReport(found, shown(tracking_uri(_ROOT)))


def statuses() -> list[Status]:
    """The runs that are written here, oldest first, and where they were sent."""
    return outbox.statuses(_ROOT)


def table(*, number: int) -> str:
    """The newest runs of the store as a table, the newest last.

    Args:
        number: How many at most.

    Raises:
        TrackingError: There is no store, or it cannot be reached.
    """
    return run_table(open_existing(_ROOT), number=number)


def write_page(page: Path) -> int:
    """Write a page on which all runs are filtered and sorted, and any two compared.

    Args:
        page: The HTML file.

    Returns:
        The number of runs on it.

    Raises:
        TrackingError: There is no store, it cannot be reached, or it holds no run.
        OutputError: The page cannot be written.
    """
    store = open_existing(_ROOT)
    runs = all_runs(store, experiment_id(store))
    if not runs:
        raise TrackingError(f"{page}: not written, as no run is tracked here yet; run 'dvc repro' first")
    write_dashboard(page, collect(store, runs), test_images=_ROOT / paths.SPLIT / "test.npz")
    return len(runs)


def newest_sent(root: Path) -> dict[str, str]:
    """The MLflow run that the newest journal was sent to: its id, its store, and its page if that is known.

    Args:
        root: The repository's folder.

    Raises:
        TrackingError: The store cannot be reached or used.
    """
    sent = [status for status in outbox.statuses(root) if status.run_id]
    if not sent:
        return {}
    found = {"mlflow_run_id": sent[-1].run_id, "mlflow_store": sent[-1].place}
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if address.startswith(("http://", "https://")):
        experiment = experiment_id(client(root))
        page = f"#/experiments/{experiment}/runs/{sent[-1].run_id}"
        found["mlflow_link"] = f"{shown(address).rstrip('/')}/{page}"
    return found


def show_pages(*, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve MLflow's own pages on the store, for this machine alone, until Ctrl-C.

    Args:
        port: The port on 127.0.0.1.
        on_ready: Called once with the address of the table of runs.

    Raises:
        TrackingError: The store cannot be used, the port is taken, or the server does not start.
    """
    ui.serve(_ROOT, port=port, on_ready=on_ready)
