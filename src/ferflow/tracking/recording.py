"""Record what the stages train and evaluate do, in a journal, and have it sent.

Nothing here stops a stage: what cannot be recorded or sent is one line, and the stage goes on.
`FERFLOW_TRACKING=off` records nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferflow import layout
from ferflow.data.store import read_csv
from ferflow.errors import FerflowError
from ferflow.params import Params
from ferflow.progress import say
from ferflow.tracking import lineage, names
from ferflow.tracking.figures import read_json, training_metrics
from ferflow.tracking.journal import (
    FAILED,
    KILLED,
    TRAINED,
    Journal,
    Record,
    Value,
    close_killed,
    create_journal,
    new_key,
    now,
)
from ferflow.tracking.sync import LiveSender, deliver
from ferflow.tracking.system import Sampler

# Seconds for the run of a training that failed or was interrupted: someone waits for the prompt.
_SECONDS_AFTER_FAILURE = 10
# The reports that training leaves, and where they stand among the artifacts.
_TRAINING_FILES = ("history.csv", "history.png", "train.json")
_EARLIER_FILES = ("download.json", "face_filter.json", "data.json", "dropped.png")

OnEpoch = Callable[[dict[str, float]], None]


def is_on() -> bool:
    """Whether runs are recorded: not with `FERFLOW_TRACKING=off`."""
    return os.environ.get("FERFLOW_TRACKING", "on").lower() not in ("off", "0", "false", "no")


@contextmanager
def recorded_training(root: Path, params: Params) -> Iterator[OnEpoch]:
    """Record a training: the block is given what to call after each epoch.

    Args:
        root: The repository's folder.
        params: The parameters of the training.

    Yields:
        A function that takes the history row of an epoch.
    """
    training = _begin(root, params) if is_on() else None
    if training is None:
        yield lambda _: None
        return
    try:
        yield training.epoch
    except BaseException as error:
        training.end(KILLED if isinstance(error, KeyboardInterrupt) else FAILED)
        raise
    training.finish()


def _begin(root: Path, params: Params) -> _Training | None:
    try:
        close_killed(root)
        return _Training(root, params)
    except (FerflowError, OSError) as error:
        say(f"the run will not be tracked: {error}")
        return None


class _Training:
    """A training that goes on."""

    def __init__(self, root: Path, params: Params) -> None:
        self._root = root
        self._params = params
        self._record = Record(
            new_key(),
            lineage.run_name(params),
            started=now(),
            description=lineage.describe(params),
            params=_without_evaluation(lineage.flat(params.model_dump(mode="json"))),
            tags=lineage.tags(root, params, lineage.STAGES_TO_TRAIN[:-1]),
            subsets=lineage.subsets(root, ("train", "val")),
        )
        self._journal = create_journal(root, self._record)
        self._writing = threading.Lock()
        self._is_broken = False
        self._epochs: set[int] = set()
        self._sender = LiveSender(root, self._journal)
        self._sampler = Sampler(self._append)
        self._sampler.start()

    def epoch(self, row: dict[str, float]) -> None:
        """Record the history row of an epoch."""
        epoch = int(row["epoch"])
        self._epochs.add(epoch)
        self._append(epoch, {name: float(row[name]) for name in names.EPOCH_METRICS})
        self._sender.wake()

    def _append(self, step: int, values: dict[str, float]) -> None:
        with self._writing:
            if self._is_broken:
                return
            try:
                self._journal.append(Value(now(), step, values))
            except FerflowError as error:
                self._is_broken = True
                say(f"the run is no longer recorded: {error}")

    def end(self, state: str) -> None:
        """The training did not come to its end."""
        self._stop()
        if not self._epochs:  # Such as a missing input: no run.
            self._journal.remove()
            return
        self._record.state, self._record.ended = state, now()
        self._close(seconds=_SECONDS_AFTER_FAILURE)

    def finish(self) -> None:
        """The training came to its end: add its reports."""
        self._stop()
        record, reports = self._record, self._root / layout.REPORTS
        record.state, record.ended = TRAINED, now()
        try:
            for value in history_values(reports / "history.csv", record.ended):
                if value.step not in self._epochs:  # Of the run that this one goes on with.
                    self._append(value.step, value.values)
            add_training(record, reports)
            record.metrics[names.TRAIN_SECONDS] = (record.ended - record.started) / 1000
            record.tags |= lineage.stage_digests(self._root, lineage.STAGES_TO_TRAIN)
            keep_training(self._root, self._journal)
        except (FerflowError, OSError) as error:
            say(f"the run is not recorded whole: {error}")
        self._close()

    def _stop(self) -> None:
        self._sampler.end()
        self._sender.end()

    def _close(self, **options: float) -> None:
        try:
            self._journal.write(self._record)
        except FerflowError as error:
            say(f"the run is not tracked: {error}")
            return
        self._journal.release()
        deliver(self._root, self._journal, **options)


def _without_evaluation(params: dict[str, str]) -> dict[str, str]:
    """Parameters that are known when training begins: those of evaluate may change until it runs."""
    return {name: value for name, value in params.items() if not name.startswith("evaluate.")}


def history_values(path: Path, time: int) -> list[Value]:
    """The epochs of a `history.csv`.

    Args:
        path: The file.
        time: Of each, in milliseconds since 1970; the file tells none.

    Raises:
        DataError: The file is missing or damaged.
    """
    columns = read_csv(path, ("epoch", *names.EPOCH_METRICS))
    return [
        Value(time, int(epoch), {name: float(columns[name][row]) for name in names.EPOCH_METRICS})
        for row, epoch in enumerate(columns["epoch"])
    ]


def add_training(record: Record, reports: Path) -> dict[str, Any]:
    """Take over what `train.json` says.

    Returns:
        Its content.

    Raises:
        DataError: It is missing or damaged.
    """
    report = read_json(reports / "train.json", ("run", "model_sha256", "backend", "params"))
    record.run = report["run"]
    record.model_sha256 = report["model_sha256"]
    record.tags[names.TAG_BACKEND] = report["backend"]
    record.params |= lineage.flat(report["params"])
    record.metrics |= training_metrics(report)
    return report


def keep_training(root: Path, journal: Journal) -> None:
    """Keep the parameters and the reports that are there once a network was trained.

    Raises:
        OutputError: They cannot be kept.
    """
    reports = root / layout.REPORTS
    for name in (*_EARLIER_FILES, *_TRAINING_FILES):
        if (reports / name).is_file():
            journal.keep(reports / name, f"{names.REPORTS}/{name}")
    if (root / layout.PARAMS).is_file():
        journal.keep(root / layout.PARAMS, f"{names.REPORTS}/{layout.PARAMS}")
