"""Send a journal to the store, exactly once, however often it is tried.

Each step is looked up before it is done again: the run by the tag `ferflow.journal`, values by what
the store lists, the logged model by its tag. `sent.json` beside the journal remembers what was
confirmed, so that looking up is only needed after an attempt that broke off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.files import sha256_of
from ferflow.progress import say
from ferflow.tracking import lineage, names, store
from ferflow.tracking.address import place_of, tracking_uri
from ferflow.tracking.outbox.data_sets import described
from ferflow.tracking.outbox.journal import EVALUATED, FAILED, KILLED, RUNNING, TRAINED, Journal, Value
from ferflow.tracking.outbox.logged_model import EXAMPLE, NETWORK
from ferflow.tracking.outbox.sent import Budget, Sent, digest_of
from ferflow.tracking.outbox.upload_model import find_ready_model, send_model

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What MLflow takes in one request.
_MAX_PARAMS = 100
_MAX_METRICS = 1000
_STATUS = {TRAINED: "FINISHED", EVALUATED: "FINISHED", FAILED: "FAILED", KILLED: "KILLED"}
_CONTEXTS = {"train": "training", "val": "validation", "test": "testing"}


def send(root: Path, journal: Journal, budget: Budget) -> str:
    """Send what of a journal the store does not have yet.

    Args:
        root: The repository's folder.
        journal: The journal of a run in any state; what is there is sent, and the run ended where the
            journal has its end.
        budget: How long it may take.

    Returns:
        The id of the run.

    Raises:
        TrackingError: The store cannot be reached or used, or the time is over; try again later.
        OutputError: The journal's folder cannot be written.
    """
    with journal.sending():
        place = current_place(root)
        sent = (Sent.load(journal) or Sent(place)).at(place)
        if sent.is_complete_at(place, digest_of(journal)):
            return sent.run_id
        budget.check()
        client = store.client(root)
        sending = _Sending(client, journal, sent, budget)
        with store.store_errors(client.tracking_uri):
            sending.run()
        return sending.run_id


def current_place(root: Path) -> str:
    """What `sent.json` calls the store and the experiment that are meant now.

    Args:
        root: The repository's folder.
    """
    return f"{place_of(root, tracking_uri(root))} {store.experiment_name()}"


class _Sending:
    """One attempt; the journal's upload lock is held."""

    def __init__(self, client: MlflowClient, journal: Journal, sent: Sent, budget: Budget) -> None:
        self._client = client
        self._journal = journal
        self._sent = sent
        self._budget = budget
        self._digest = digest_of(journal)
        self._record = journal.read()
        self._experiment = store.experiment_id(client)

    @property
    def run_id(self) -> str:
        """Of the run in the store."""
        return self._sent.run_id

    def run(self) -> None:
        """All steps, in an order in which each only needs those before it."""
        run = self._find_run()
        if run is not None and run.info.lifecycle_stage != "active":
            self._finish()  # Someone deleted the run: it is not made anew.
            return
        if run is None:
            run = self._create_run()
        self._send_params_and_tags()
        self._send_values(run)
        if self._record.state == RUNNING:
            return
        self._send_subsets()
        self._send_files()
        self._send_model()
        self._send_metrics(run)
        self._budget.check()
        self._client.set_terminated(self.run_id, _STATUS[self._record.state], self._record.ended)
        self._finish()

    def _save(self, *, is_unsure: bool) -> None:
        self._sent.is_unsure = is_unsure
        self._sent.save(self._journal)

    def _finish(self) -> None:
        self._sent.complete = self._digest
        self._save(is_unsure=False)
        self._journal.discard_files()

    def _find_run(self) -> Any:
        """The run of this journal as the store has it now, or None."""
        self._budget.check()
        tag = f"tags.`{names.TAG_JOURNAL}` = '{self._record.key}'"
        found = self._client.search_runs([self._experiment], tag, heavy.mlflow.entities.ViewType.ALL)
        if not found:
            if self.run_id:  # The store lost it, with all that it had.
                self._sent = Sent(self._sent.place, former=self._sent.former)
            return None
        # Two, if a request was repeated on its way: the first stays.
        first, *others = sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))
        for other in others:
            self._client.delete_run(other.info.run_id)
        if self.run_id != first.info.run_id:
            self._sent = Sent(self._sent.place, first.info.run_id, former=self._sent.former)
            self._save(is_unsure=True)
        return first

    def _create_run(self) -> Any:
        self._budget.check()
        tags = self._tags()
        run = self._client.create_run(
            self._experiment,
            start_time=self._record.started,
            run_name=self._record.name,
            tags={names.TAG_JOURNAL: self._record.key, "mlflow.user": lineage.user_name(), **tags},
        )
        self._sent.run_id = run.info.run_id
        self._sent.tags = tags
        self._save(is_unsure=False)
        return run

    def _tags(self) -> dict[str, str]:
        own = {
            names.TAG_DESCRIPTION: self._record.description,
            names.TAG_RUN: self._record.run,
            names.TAG_MODEL: self._record.model_sha256,
            names.TAG_EVALUATION: self._record.evaluation,
            "mlflow.source.name": "ferflow",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": self._record.tags.get(names.TAG_COMMIT, ""),
        }
        return {**self._record.tags, **{name: value for name, value in own.items() if value}}

    def _send_params_and_tags(self) -> None:
        all_tags = self._tags()
        params = [
            heavy.mlflow.entities.Param(name, value)
            for name, value in self._record.params.items()
            if name not in self._sent.params
        ]
        tags = [
            heavy.mlflow.entities.RunTag(name, value)
            for name, value in all_tags.items()
            if self._sent.tags.get(name) != value
        ]
        for start in range(0, max(len(params), len(tags)), _MAX_PARAMS):
            self._budget.check()
            part = slice(start, start + _MAX_PARAMS)
            self._client.log_batch(self.run_id, params=params[part], tags=tags[part])
        if params or tags:
            self._sent.params = sorted(self._record.params)
            self._sent.tags = all_tags
            self._save(is_unsure=self._sent.is_unsure)

    def _send_values(self, run: Any) -> None:
        """The lines of `values.jsonl` that the store has not confirmed."""
        waiting = self._journal.values()[self._sent.num_values :]
        known = self._known(waiting, run) if self._sent.is_unsure else set()
        for lines in _portions(waiting):
            metrics = [
                heavy.mlflow.entities.Metric(name, number, line.time, line.step)
                for line in lines
                for name, number in line.values.items()
                if (name, line.step, line.time) not in known
            ]
            self._budget.check()
            self._save(is_unsure=True)
            if metrics:
                self._client.log_batch(self.run_id, metrics=metrics)
            self._sent.num_values += len(lines)
            self._sent.save(self._journal)
        self._save(is_unsure=False)

    def _known(self, waiting: list[Value], run: Any) -> set[tuple[str, int, int]]:
        """Which of the values the store has already, as (name, step, time)."""
        known: set[tuple[str, int, int]] = set()
        for name in sorted({name for line in waiting for name in line.values} & set(run.data.metrics)):
            self._budget.check()
            history = self._client.get_metric_history(self.run_id, name)
            known.update((name, entry.step, entry.timestamp) for entry in history)
        return known

    def _send_subsets(self) -> None:
        waiting = [entry for entry in self._record.subsets if entry.name not in self._sent.subsets]
        if not waiting:
            return
        self._budget.check()
        # The store passes over those that it has.
        inputs = [
            heavy.mlflow.entities.DatasetInput(
                described(entry),
                [heavy.mlflow.entities.InputTag("mlflow.data.context", _CONTEXTS[entry.name])],
            )
            for entry in waiting
        ]
        self._client.log_inputs(self.run_id, datasets=inputs)
        self._sent.subsets = [entry.name for entry in self._record.subsets]
        self._sent.save(self._journal)

    def _send_files(self) -> None:
        for path in sorted(self._journal.files.rglob("*")):
            name = str(path.relative_to(self._journal.files))
            if not path.is_file() or name in (NETWORK, EXAMPLE):
                continue
            digest = sha256_of(path)
            if self._sent.files.get(name) == digest:
                continue
            self._budget.check()
            folder = str(Path(name).parent)
            self._client.log_artifact(self.run_id, str(path), None if folder == "." else folder)
            self._sent.files[name] = digest
            self._sent.save(self._journal)

    def _send_model(self) -> None:
        """The logged model; where its file is no longer here, the store's own, if it is whole."""
        if not self._record.model or self._sent.has_model:
            return
        self._budget.check()
        if (self._journal.files / NETWORK).is_file():
            send_model(self._client, self._journal, self._record, self._sent, self._budget)
            return
        found = find_ready_model(self._client, self._record, self.run_id)
        if found is None:
            say(
                f"run {self._record.name} ({self.run_id[:8]}): its network is neither in the store nor kept "
                "here any more; the run is sent without it"
            )
            return
        self._sent.model_id, self._sent.has_model = found, True
        self._sent.save(self._journal)

    def _send_metrics(self, run: Any) -> None:
        """The figures of the run as a whole; they are the logged model's, too."""
        have = {**run.data.metrics, **self._sent.metrics}
        waiting = {name: value for name, value in self._record.metrics.items() if have.get(name) != value}
        if waiting:
            self._budget.check()
            model_id = self._sent.model_id or None
            metrics = [
                heavy.mlflow.entities.Metric(name, value, self._record.ended, 0, model_id=model_id)
                for name, value in waiting.items()
            ]
            self._client.log_batch(self.run_id, metrics=metrics)
        self._sent.metrics = dict(self._record.metrics)
        self._sent.save(self._journal)


def _portions(lines: list[Value]) -> Iterator[list[Value]]:
    """The lines in lists of at most `_MAX_METRICS` values."""
    portion: list[Value] = []
    size = 0
    for line in lines:
        if portion and size + len(line.values) > _MAX_METRICS:
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line.values)
    if portion:
        yield portion
