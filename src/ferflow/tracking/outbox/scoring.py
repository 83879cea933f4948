"""Record an evaluation: it goes on with the run of the training that made the network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferflow import model, paths
from ferflow.errors import DataError, TrackingError
from ferflow.files import sha256_of
from ferflow.params import Params
from ferflow.tracking import lineage, names
from ferflow.tracking.outbox.figures import describe_scores, read_json, test_metrics
from ferflow.tracking.outbox.journal import (
    EVALUATED,
    TRAINED,
    Journal,
    Record,
    all_journals,
    close_killed,
    create_journal,
    new_key,
    now,
)
from ferflow.tracking.outbox.logged_model import EXAMPLE, NETWORK, calling
from ferflow.tracking.outbox.net import sheltered
from ferflow.tracking.outbox.recording import (
    LOCAL_SECONDS,
    add_training,
    history_values,
    is_on,
    keep_training,
)
from ferflow.tracking.outbox.sent import Budget
from ferflow.tracking.outbox.sync import deliver
from ferflow.tracking.outbox.upload import send

_SCORE_FILES = ("metrics.json", "predictions.csv", "report.html", "plots")


def record_evaluation(root: Path, params: Params) -> None:
    """Record and send what the evaluate stage has written; a failure is one line.

    Args:
        root: The repository's folder.
        params: The parameters of the evaluation.
    """
    if not is_on():
        return

    def record() -> Journal:
        close_killed(root)
        return journal_of_reports(root, params)

    journal = sheltered(
        record, seconds=LOCAL_SECONDS, tell=lambda reason: f"the evaluation is not tracked: {reason}"
    )
    if journal is not None:
        deliver(root, journal)


def send_reports(root: Path, params: Params) -> str:
    """The run of the evaluation that `reports/` holds; what a store does not have of it is sent before.

    So it is there after an outage, too, and where DVC restored the reports from its cache.

    Args:
        root: The repository's folder.
        params: The parameters of the evaluation.

    Returns:
        The id of the run.

    Raises:
        DataError: A report is missing or damaged, or `reports/` is not about the model.
        TrackingError: The store cannot be reached or used.
        OutputError: The journal cannot be written.
    """
    close_killed(root)
    return send(root, journal_of_reports(root, params), Budget())


def journal_of_reports(root: Path, params: Params) -> Journal:
    """The journal of the evaluation that `reports/` holds; it is made or gone on with where needed.

    The same evaluation again is the same run. The first evaluation of a training goes on in its run; one
    with other parameters or another test set is a run of its own, with the same training in it.

    Args:
        root: The repository's folder.
        params: The parameters of the evaluation.

    Raises:
        DataError: A report is missing or damaged, or `reports/` is not about the model.
        OutputError: The journal cannot be written.
    """
    reports = root / paths.REPORTS
    trained = read_json(reports / "train.json", ("run", "model_sha256"))
    if sha256_of(root / paths.MODEL) != trained["model_sha256"]:
        raise DataError(
            f"{root / paths.MODEL}: not the network that {reports / 'train.json'} is about; run 'dvc repro'"
        )
    evaluation = _digest(root, params)
    matching = [(journal, record) for journal, record in _readable(root) if record.run == trained["run"]]
    for journal, record in matching:
        if record.evaluation == evaluation:
            return journal
    waiting = [entry for entry in matching if entry[1].state == TRAINED]
    if waiting:
        journal, record = waiting[-1]
    elif matching:
        journal, record = _derive(root, *matching[-1])
    else:
        journal, record = _backfill(root, params)
    with journal.sending():  # Not while another process sends what is replaced here.
        _add_scores(root, journal, record, params, evaluation)
    journal.release()
    return journal


def _readable(root: Path) -> list[tuple[Journal, Record]]:
    found = []
    for journal in all_journals(root):
        try:
            found.append((journal, journal.read()))
        except TrackingError:
            continue
    return found


def _digest(root: Path, params: Params) -> str:
    """What the test figures came from: how, on which images, and with which answers."""
    files = (root / paths.SPLIT / "test.npz", root / paths.REPORTS / "predictions.csv")
    parts = [params.evaluate.model_dump(mode="json"), *(sha256_of(path) for path in files)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _derive(root: Path, source: Journal, record: Record) -> tuple[Journal, Record]:
    """A run of its own with the training of another one."""
    fresh = replace(
        record,
        key=new_key(),
        started=now(),
        tags={**record.tags, names.TAG_DERIVED: source.key},
        params={name: value for name, value in record.params.items() if not name.startswith("evaluate.")},
        metrics={
            name: value
            for name, value in record.metrics.items()
            if not name.startswith(("test_", "leak_free_", "recall_", names.TEMPERATURE))
        },
        evaluation="",
        model={},
    )
    journal = create_journal(root, fresh)
    for value in source.values():
        journal.append(value)
    return journal, fresh


def _backfill(root: Path, params: Params) -> tuple[Journal, Record]:
    """The run of a training that left no journal here, such as one from DVC's cache."""
    path = root / paths.REPORTS / "history.csv"
    began = int(path.stat().st_mtime * 1000) if path.is_file() else now()
    fresh = Record(
        new_key(),
        lineage.run_name(params),
        state=TRAINED,
        started=began,
        params=lineage.flat(params.model_dump(mode="json")),
        subsets=lineage.subsets(root, ("train", "val")),
        tags=lineage.tags(root, params, ()),
    )
    add_training(fresh, root / paths.REPORTS)
    journal = create_journal(root, fresh)
    for value in history_values(path, began):
        journal.append(value)
    return journal, fresh


def _add_scores(root: Path, journal: Journal, record: Record, params: Params, evaluation: str) -> None:
    """Complete a run by its evaluation."""
    reports = root / paths.REPORTS
    scores = read_json(reports / "metrics.json", ("accuracy", "leak_free", "per_class"))
    evaluated = lineage.flat({"evaluate": params.evaluate.model_dump(mode="json")})
    record.params = {**record.params, **evaluated}
    record.metrics |= {**test_metrics(scores), names.MULTIPLY_ADDS: _cost(root / paths.MODEL)}
    record.tags |= lineage.tags_of_data(root) | lineage.stage_digests(root, lineage.ALL_STAGES)
    record.subsets = [entry for entry in record.subsets if entry.name != "test"]
    record.subsets += lineage.subsets(root, ("test",))
    record.description = f"{lineage.describe(params)} {describe_scores(scores)}"
    record.model = calling(params.evaluate, _backend(record))
    record.evaluation = evaluation
    record.state, record.ended = EVALUATED, now()
    keep_training(root, journal)
    for name in _SCORE_FILES:
        journal.keep(reports / name, f"{names.REPORTS}/{name}")
    journal.keep(root / paths.MODEL, NETWORK)
    journal.keep(root / paths.SPLIT / "test.npz", EXAMPLE)
    journal.write(record)


def _backend(record: Record) -> str:
    """The backend in the tag, such as `tensorflow` of `keras 3.15.1 tensorflow 2.21.0`."""
    words: list[Any] = record.tags[names.TAG_BACKEND].split()
    return str(words[2])


def _cost(path: Path) -> float:
    return float(model.cost.multiply_adds(model.network.load_network(path)))
