"""Record what the stages train and evaluate do, in a journal, and have it sent.

Nothing here stops a stage: what cannot be recorded or sent is one line, and the stage goes on.
`FERFLOW_TRACKING=off` records nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferflow import paths
from ferflow.data.store import read_csv
from ferflow.params import Params
from ferflow.progress import say
from ferflow.stages.table import BEFORE_TRAINING
from ferflow.tracking import lineage, names
from ferflow.tracking.outbox.figures import read_json, training_metrics
from ferflow.tracking.outbox.journal import (
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
from ferflow.tracking.outbox.net import failure_of, reason_of, sheltered
from ferflow.tracking.outbox.record import State
from ferflow.tracking.outbox.resumed import seconds_before
from ferflow.tracking.outbox.sync import STAGE_SECONDS, LiveSender, deliver
from ferflow.tracking.outbox.system import Sampler

# Seconds for the run of a training that failed or was interrupted: someone waits for the prompt.
_SECONDS_AFTER_FAILURE = 10
# What is done on this machine alone: files are hashed and linked, a network is loaded. Only a disk that hangs
# takes as long.
LOCAL_SECONDS = 300
_SECONDS_FOR_A_LINE = 10
# The reports that training leaves, and their places among the artifacts.
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
    def begin() -> _Training:
        close_killed(root)
        return _Training(root, params)

    return sheltered(
        begin, seconds=LOCAL_SECONDS, tell=lambda reason: f"the run will not be tracked: {reason}"
    )


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
            tags=lineage.tags(root, params, BEFORE_TRAINING),
            subsets=lineage.subsets(root, ("train", "val")),
        )
        self._journal = create_journal(root, self._record)
        self._writing = threading.Lock()
        self._is_broken = False
        self._epochs: set[int] = set()
        self._sender = LiveSender(root, self._journal)
        self._sampler = Sampler(self._sample)
        self._sampler.start()

    def epoch(self, row: dict[str, float]) -> None:
        """Record the history row of an epoch."""
        epoch = int(row["epoch"])
        self._epochs.add(epoch)
        values = {name: float(row[name]) for name in names.EPOCH_METRICS}
        done = self._is_broken or sheltered(
            lambda: self._append(epoch, values),
            seconds=_SECONDS_FOR_A_LINE,
            tell=lambda reason: f"the run is no longer recorded: {reason}",
        )
        if done is None:
            self._is_broken = True
            return
        sheltered(self._sender.wake, seconds=_SECONDS_FOR_A_LINE, tell=_not_sent)

    def _sample(self, step: int, values: dict[str, float]) -> None:
        if not self._is_broken:
            failure = failure_of(lambda: self._append(step, values))
            if failure is not None:
                self._is_broken = True
                say(f"the run is no longer recorded: {reason_of(failure)}")

    def _append(self, step: int, values: dict[str, float]) -> bool:
        with self._writing:
            if not self._is_broken:
                self._journal.append(Value(now(), step, values))
            return True

    def end(self, state: State) -> None:
        """The training did not come to its end."""
        if not self._epochs:  # Such as a missing input: no run.
            sheltered(self._give_up, seconds=_SECONDS_AFTER_FAILURE, tell=_not_sent)
            return
        self._record.state, self._record.ended = state, now()
        self._close(_SECONDS_AFTER_FAILURE)

    def finish(self) -> None:
        """The training came to its end: add its reports."""
        self._record.state, self._record.ended = TRAINED, now()
        sheltered(
            self._complete,
            seconds=LOCAL_SECONDS,
            tell=lambda reason: f"the run is not recorded whole: {reason}",
        )
        self._close(STAGE_SECONDS)

    def _complete(self) -> None:
        self._sampler.end()
        record, reports = self._record, self._root / paths.REPORTS
        history = history_values(reports / "history.csv", record.ended)
        earlier = [value for value in history if value.step not in self._epochs]
        for value in earlier:  # Of the runs that this one goes on with.
            self._append(value.step, value.values)
        add_training(record, reports)
        seconds = (record.ended - record.started) / 1000
        record.metrics[names.TRAIN_SECONDS] = seconds + seconds_before(self._root, record, len(earlier))
        record.tags |= lineage.stage_digests(self._root, lineage.STAGES_TO_TRAIN)
        keep_training(self._root, self._journal)

    def _give_up(self) -> None:
        self._sampler.end()
        self._journal.remove()

    def _close(self, seconds: float) -> None:
        """Write the record and send it, both within some seconds."""
        until = time.monotonic() + seconds

        def write() -> bool:
            self._sampler.end()
            self._journal.write(self._record)
            self._journal.release()
            return True

        if sheltered(write, seconds=seconds, tell=lambda reason: f"the run is not tracked: {reason}"):
            # A request of the sender that is under way holds the journal: half of the time is for it.
            self._sender.end(max(0.0, (until - time.monotonic()) / 2))
            deliver(self._root, self._journal, seconds=max(0.0, until - time.monotonic()))


def _not_sent(reason: str) -> str:
    return f"the run is not sent while it goes on: {reason}"


def _without_evaluation(params: dict[str, str]) -> dict[str, str]:
    """Parameters that are known when training begins: those of evaluate may change until it runs."""
    return {name: value for name, value in params.items() if not name.startswith("evaluate.")}


def history_values(path: Path, time: int) -> list[Value]:
    """The epochs of a `history.csv`.

    Args:
        path: The file.
        time: The time of each, in milliseconds since 1970; the file tells none.

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
    reports = root / paths.REPORTS
    for name in (*_EARLIER_FILES, *_TRAINING_FILES):
        if (reports / name).is_file():
            journal.keep(reports / name, f"{names.REPORTS}/{name}")
    if (root / paths.PARAMS).is_file():
        journal.keep(root / paths.PARAMS, f"{names.REPORTS}/{paths.PARAMS}")
