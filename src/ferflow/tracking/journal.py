"""Journals: what a run is, written here before anything is sent anywhere.

Each run has a folder `.ferflow/tracking/<key>/`:

| file | holds |
|---|---|
| `run.json` | name, state, parameters, tags, figures, data sets; replaced as a whole |
| `values.jsonl` | one line an epoch or a sample of the machine; only ever appended to |
| `files/` | the reports, parameters and network of the run, as hard links where that is possible |
| `sent.json` | what a store has confirmed; written by `upload` |
| `alive.lock`, `upload.lock` | held by the process that writes, and by the one that sends |

The kernel releases a lock when its process dies, however it dies: a journal that says `running` and
whose `alive.lock` is free belongs to a process that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ferflow.errors import TrackingError
from ferflow.files import output_error, write_json

JOURNALS = Path(".ferflow/tracking")

# States of a run. A run that is not running is one that `upload` ends in the store, too.
RUNNING = "running"
TRAINED = "trained"
EVALUATED = "evaluated"
FAILED = "failed"
KILLED = "killed"


@dataclass(frozen=True)
class Subset:
    """A data set that a run used.

    Attributes:
        name: `train`, `val` or `test`.
        path: Its file, relative to the repository.
        sha256: Of the file.
        num_images: How many images it holds.
    """

    name: str
    path: str
    sha256: str
    num_images: int


@dataclass
class Record:
    """What `run.json` holds.

    Attributes:
        key: Name of the journal's folder; the tag `ferflow.journal` of the run.
        name: Name of the run for people.
        state: `running`, `trained`, `evaluated`, `failed` or `killed`.
        started: Start of the run in milliseconds since 1970.
        ended: End of it, or 0.
        description: What the run is, in words (Markdown).
        params: Dotted name to value, as text.
        tags: Name to value.
        metrics: Figures of the run as a whole.
        subsets: The data that it used.
        run: Fingerprint of the training, as in `reports/train.json`; empty until training ended.
        model_sha256: Of the network's file; empty until training ended.
        evaluation: Digest of what the test figures came from; empty until they are there.
        model: How the network is to be called, for the logged model; empty until it is evaluated.
        process: Number of the process that wrote last.
    """

    key: str
    name: str
    state: str = RUNNING
    started: int = 0
    ended: int = 0
    description: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    subsets: list[Subset] = field(default_factory=list)
    run: str = ""
    model_sha256: str = ""
    evaluation: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    process: int = 0

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Record:
        """The record that `asdict` gave; keys of other versions are passed over."""
        known = {entry.name for entry in fields(cls)}
        values = {name: value for name, value in content.items() if name in known}
        values["subsets"] = [Subset(**subset) for subset in values.get("subsets", [])]
        return cls(**values)


@dataclass(frozen=True)
class Value:
    """One line of `values.jsonl`.

    Attributes:
        time: Milliseconds since 1970.
        step: The epoch, counted from 1, or the number of the sample.
        values: Name of the metric to its value.
    """

    time: int
    step: int
    values: dict[str, float]


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_key() -> str:
    """A name for a journal: when it began, and something random."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


class Journal:
    """The journal of one run.

    Args:
        folder: `.ferflow/tracking/<key>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._alive: int | None = None

    @property
    def key(self) -> str:
        """The journal's name."""
        return self.folder.name

    @property
    def files(self) -> Path:
        """The folder of the files that are kept for the store."""
        return self.folder / "files"

    def read(self) -> Record:
        """What `run.json` holds.

        Raises:
            TrackingError: It is missing or damaged.
        """
        path = self.folder / "run.json"
        try:
            return Record.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrackingError(
                f"{path}: not readable ({error}); remove {self.folder} to give its run up"
            ) from error

    def write(self, record: Record) -> None:
        """Replace `run.json`.

        Raises:
            OutputError: It cannot be written.
        """
        record.process = os.getpid()
        write_json(self.folder / "run.json", asdict(record))

    def append(self, value: Value) -> None:
        """Add a line to `values.jsonl`.

        Raises:
            OutputError: It cannot be written.
        """
        path = self.folder / "values.jsonl"
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(value)) + "\n")
        except OSError as error:
            raise output_error(path, error) from error

    def values(self) -> list[Value]:
        """All whole lines of `values.jsonl`; one that a kill or a full disk tore is passed over."""
        try:
            lines = (self.folder / "values.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(Value(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def keep(self, source: Path, name: str) -> None:
        """Keep a file, or the files of a folder, as they are now, under `files/<name>`.

        Stages write their results anew and rename them, so that a hard link stays what it was.

        Raises:
            OutputError: It cannot be written.
        """
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    self.keep(path, f"{name}/{path.relative_to(source)}")
            return
        target = self.files / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(source.resolve(), target)
            except OSError:  # Another file system, or one without links.
                shutil.copyfile(source, target)
        except OSError as error:
            raise output_error(target, error) from error

    def discard_files(self) -> None:
        """Remove the kept files, once a store has them."""
        shutil.rmtree(self.files, ignore_errors=True)

    def remove(self) -> None:
        """Give the run up, with all that is written of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def hold_alive(self) -> None:
        """Say that this process writes the journal, until it ends or `release` is called."""
        # A bare descriptor: it must not be closed with the last reference to the journal.
        self._alive = os.open(self.folder / "alive.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._alive, fcntl.LOCK_EX)

    def release(self) -> None:
        """Say that this process is done with the journal."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def is_alive(self) -> bool:
        """Whether a process writes the journal."""
        with (self.folder / "alive.lock").open("a", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Hold the journal's upload lock: one process or thread sends at a time.

        Raises:
            OutputError: The lock file cannot be made.
        """
        path = self.folder / "upload.lock"
        try:
            stream = path.open("a", encoding="utf-8")
        except OSError as error:
            raise output_error(path, error) from error
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def create_journal(root: Path, record: Record) -> Journal:
    """Make a journal that this process writes.

    Args:
        root: The repository's folder.
        record: What it begins with.

    Raises:
        OutputError: It cannot be written.
    """
    journal = Journal(root / JOURNALS / record.key)
    try:
        journal.folder.mkdir(parents=True)
        journal.hold_alive()
    except OSError as error:
        raise output_error(journal.folder, error) from error
    journal.write(record)
    return journal


def all_journals(root: Path) -> list[Journal]:
    """The journals of a repository, oldest first."""
    return [Journal(path.parent) for path in sorted((root / JOURNALS).glob("*/run.json"))]


def close_killed(root: Path) -> list[Journal]:
    """Mark the runs whose process died as killed.

    Returns:
        Their journals.

    Raises:
        OutputError: A journal cannot be written.
    """
    closed = []
    for journal in all_journals(root):
        try:
            record = journal.read()
        except TrackingError:  # Said by `ferflow track status`; no reason to keep a run from starting.
            continue
        if record.state != RUNNING or journal.is_alive():
            continue
        record.state = KILLED
        record.ended = max([record.started, *(value.time for value in journal.values())])
        journal.write(record)
        closed.append(journal)
    return closed
