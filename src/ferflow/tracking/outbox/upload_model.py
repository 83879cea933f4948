"""Send the logged model of a run, file by file, so that a broken attempt is gone on with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.files import sha256_of
from ferflow.tracking import names
from ferflow.tracking.outbox.journal import Journal, Record
from ferflow.tracking.outbox.logged_model import EXAMPLE, NETWORK, name_in_store, write_model
from ferflow.tracking.outbox.sent import Budget, Sent

if TYPE_CHECKING:
    from mlflow import MlflowClient


def send_model(client: MlflowClient, journal: Journal, record: Record, sent: Sent, budget: Budget) -> None:
    """Make the logged model of a run and send its files.

    Args:
        client: The client of the store.
        journal: Its kept files hold the network.
        record: What the journal holds.
        sent: What the store has; updated and saved with each file.
        budget: How long it may take.

    Raises:
        TrackingError: The time is over.
        OutputError: The model cannot be written.
    """
    found = _find_or_create(client, record, sent, budget)
    sent.model_id = found.model_id
    sent.save(journal)
    with tempfile.TemporaryDirectory(prefix="model-", dir=journal.folder) as temporary:
        folder = Path(temporary) / names.MODEL
        example = journal.files / EXAMPLE
        write_model(record, journal.files / NETWORK, example if example.is_file() else None, folder)
        location = found.artifact_location
        name_in_store(folder, model_id=sent.model_id, run_id=sent.run_id, location=location)
        # MLmodel last: without it the store holds no model.
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path.name == "MLmodel"):
            _send_file(client, journal, sent, budget, path=path, name=str(path.relative_to(folder)))
    budget.check()
    run = client.get_run(sent.run_id)
    outputs = [entry.model_id for entry in run.outputs.model_outputs] if run.outputs else []
    if sent.model_id not in outputs:
        client.log_outputs(sent.run_id, [heavy.mlflow.entities.LoggedModelOutput(sent.model_id, 0)])
    client.finalize_logged_model(sent.model_id, "READY")
    sent.has_model = True
    sent.save(journal)


def find_ready_model(client: MlflowClient, record: Record, run_id: str) -> str | None:
    """The id of the whole logged model of a run, where the store has one.

    Args:
        client: The client of the store.
        record: What the journal holds.
        run_id: The id of the run.
    """
    for model in _models_of(client, record, run_id):
        if model.status == "READY" and model.tags.get(names.TAG_MODEL) == record.model_sha256:
            return str(model.model_id)
    return None


def _models_of(client: MlflowClient, record: Record, run_id: str) -> list[Any]:
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return [model for model in found if model.tags.get(names.TAG_JOURNAL) == record.key]


def _find_or_create(client: MlflowClient, record: Record, sent: Sent, budget: Budget) -> Any:
    """The logged model of the run: there is never more than one."""
    budget.check()
    mine = _models_of(client, record, sent.run_id)
    if mine:
        return min(mine, key=lambda model: (model.creation_timestamp, model.model_id))
    budget.check()
    experiment = client.get_run(sent.run_id).info.experiment_id
    return client.create_logged_model(
        experiment,
        names.MODEL,
        source_run_id=sent.run_id,
        tags={names.TAG_JOURNAL: record.key, names.TAG_MODEL: record.model_sha256},
        params=dict(record.params),
        model_type="classifier",
    )


def _send_file(
    client: MlflowClient, journal: Journal, sent: Sent, budget: Budget, *, path: Path, name: str
) -> None:
    key = f"{names.MODEL}:{name}"
    digest = sha256_of(path)
    if sent.files.get(key) == digest:
        return
    budget.check()
    folder = str(Path(name).parent)
    client.log_model_artifact(sent.model_id, str(path), None if folder == "." else folder)
    sent.files[key] = digest
    sent.save(journal)
