"""`ferflow track sync`: bring every run to the store that is meant now, and claim nothing that was not asked.

A run that another store has is sent as well. Its files were removed here once that store had them; they are
fetched back from the project's own store, and from no other one: a password is not kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow import heavy
from ferflow.errors import FerflowError
from ferflow.files import atomic_directory
from ferflow.tracking import names, store
from ferflow.tracking.address import DATABASE, VARIABLE, database_of
from ferflow.tracking.outbox.journal import RUNNING, Journal, Record, all_journals, close_killed
from ferflow.tracking.outbox.logged_model import NETWORK
from ferflow.tracking.outbox.sent import Budget, Sent, digest_of
from ferflow.tracking.outbox.upload import current_place, send
from ferflow.tracking.outbox.upload_model import find_ready_model

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class Brought:
    """What became of the runs.

    Attributes:
        place: The store that was asked, and the experiment.
        sent: Keys of those that were sent.
        failed: Key to reason of those that could not be.
        elsewhere: Key to the place of those that only another store has whole.
        num_there: How many the store had already.
    """

    place: str
    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    num_there: int = 0


def bring_all(root: Path) -> Brought:
    """Bring every run that ended to the store.

    Args:
        root: The repository's folder.

    Raises:
        TrackingError: The store cannot be reached or used at all; what was sent before stays so.
        OutputError: The journals' folder cannot be written.
    """
    close_killed(root)
    client = store.client(root)
    found = Brought(current_place(root))
    there = _keys_in(client)
    for journal in all_journals(root):
        try:
            record = journal.read()
            if record.state != RUNNING:
                _bring(root, journal, record, there, found)
        except FerflowError as error:  # One that cannot be sent holds none of the others up.
            found.failed[journal.key] = str(error)
            store.client(root)  # Unless the store is gone.
    return found


def _bring(root: Path, journal: Journal, record: Record, there: set[str], found: Brought) -> None:
    digest = digest_of(journal)
    known = Sent.load(journal) or Sent(found.place)
    if known.is_complete_at(found.place, digest):
        if record.key in there:
            found.num_there += 1
            return
        _forget(journal, known, found.place)
    others = [place for place in known.places_with(digest) if place != found.place]
    if others and not journal.files.exists():
        own = [place for place in others if place.startswith(f"{DATABASE} ")]
        if not own:
            found.elsewhere[journal.key] = others[0]
            return
        _fetch_back(root, journal, record, known.at(own[0]).run_id)
    send(root, journal, Budget())
    found.sent.append(journal.key)


def _forget(journal: Journal, known: Sent, place: str) -> None:
    """The store no longer has a run that it had: it is sent anew."""
    with journal.sending():
        Sent(place, is_unsure=True, former=known.at(place).former).save(journal)


def _keys_in(client: MlflowClient) -> set[str]:
    """Keys of the journals whose runs the store has, those that someone deleted included."""
    experiment = store.experiment_id(client)
    keys: set[str] = set()
    token = None
    while True:
        with store.store_errors(client.tracking_uri):
            page = client.search_runs(
                [experiment], run_view_type=heavy.mlflow.entities.ViewType.ALL, page_token=token
            )
            keys.update(run.data.tags.get(names.TAG_JOURNAL, "") for run in page)
        token = page.token
        if not token:
            return keys - {""}


def _fetch_back(root: Path, journal: Journal, record: Record, run_id: str) -> None:
    """Bring a run's files from the project's own store, as they were kept before it had them.

    Raises:
        TrackingError: That store cannot be used.
        OutputError: They cannot be written.
    """
    if not database_of(root).is_file():
        return  # What is gone is gone: `send` says what it sends without.

    def fetch(client: MlflowClient) -> None:
        with atomic_directory(journal.files) as folder, store.store_errors(client.tracking_uri):
            if client.list_artifacts(run_id, names.REPORTS):
                client.download_artifacts(run_id, names.REPORTS, dst_path=str(folder))
            model_id = find_ready_model(client, record, run_id) if record.model else None
            if model_id is not None:
                location = client.get_logged_model(model_id).artifact_location
                path = store.load_mlflow().artifacts.download_artifacts(
                    artifact_uri=f"{location}/artifacts/{NETWORK}",
                    dst_path=str(folder),
                    tracking_uri=client.tracking_uri,
                )
                if Path(path) != folder / NETWORK:
                    shutil.move(path, folder / NETWORK)

    _with_own_store(root, fetch)


def _with_own_store(root: Path, action: Callable[[MlflowClient], None]) -> None:
    """Use the project's own store for once, whichever one is meant now."""
    chosen = os.environ.pop(VARIABLE, None)
    try:
        action(store.client(root))
    finally:
        if chosen is not None:
            os.environ[VARIABLE] = chosen
        store.client(root)  # MLflow's functions use the chosen one again.
