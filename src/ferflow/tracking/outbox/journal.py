"""Journals: what a run is, written here before anything is sent anywhere.

Each run has a folder `.ferflow/tracking/<key>/`:

| file | holds |
|---|---|
| `run.json` | name, state, parameters, tags, figures, data sets; replaced as a whole |
| `values.jsonl` | one line an epoch or a sample of the machine; only ever appended to |
| `values.rejected` | lines of it that could not be read, set aside once the run had ended |
| `files/` | the reports, parameters and network of the run, as hard links where that is possible |
| `sent.json` | what a store has confirmed; written by `upload` |
| `alive.lock`, `upload.lock` | held by the process that writes, and by the one that sends |

The kernel releases a lock when its process dies, however it dies: a journal that says `running` and
whose `alive.lock` is free belongs to a process that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ferflow.errors import TrackingError
from ferflow.files import atomic_file, output_error, write_json
from ferflow.locks import Lock, is_held, locked
from ferflow.paths import JOURNALS
from ferflow.progress import say
from ferflow.redaction import hide_all
from ferflow.tracking.address import project_root
from ferflow.tracking.outbox.net import reason_of
from ferflow.tracking.outbox.record import (
    EVALUATED,
    FAILED,
    KILLED,
    RUNNING,
    TRAINED,
    Record,
    Subset,
    Value,
    new_key,
    now,
    read_record,
    read_values,
)

__all__ = [
    "EVALUATED",
    "FAILED",
    "JOURNALS",
    "KILLED",
    "RUNNING",
    "TRAINED",
    "Journal",
    "Record",
    "Subset",
    "Value",
    "all_journals",
    "close_killed",
    "create_journal",
    "journals_folder",
    "new_key",
    "now",
]


class Journal:
    """The journal of one run.

    Args:
        folder: `.ferflow/tracking/<key>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._alive = Lock(folder / "alive.lock")

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
        return read_record(self.folder / "run.json")

    def write(self, record: Record) -> None:
        """Replace `run.json`; secrets are taken out of its texts, which leave with it.

        Raises:
            OutputError: It cannot be written.
        """
        record.process = os.getpid()
        for name in ("name", "description", "params", "tags"):
            setattr(record, name, hide_all(getattr(record, name)))
        write_json(self.folder / "run.json", asdict(record))

    def append(self, value: Value) -> None:
        """Add a line to `values.jsonl`.

        Raises:
            OutputError: It cannot be written.
        """
        path = self.folder / "values.jsonl"
        line = json.dumps(asdict(value)).encode() + b"\n"
        try:
            with path.open("ab+") as stream:
                if stream.tell() and not _ends_with_newline(path):  # Torn by a kill or a full disk.
                    line = b"\n" + line
                stream.write(line)
        except OSError as error:
            raise output_error(path, error) from error

    def values(self) -> list[Value]:
        """The lines of `values.jsonl` that can be read; torn ones and those of other bytes are passed over.

        Raises:
            TrackingError: The file cannot be read at all.
        """
        return read_values(self.folder / "values.jsonl")[0]

    def set_aside(self) -> int:
        """Move the lines of `values.jsonl` that cannot be read to `values.rejected`; how many they were.

        Only for a run that has ended: nothing may be appended meanwhile.

        Raises:
            OutputError: The files cannot be written.
            TrackingError: `values.jsonl` cannot be read at all.
        """
        values, rejected = read_values(self.folder / "values.jsonl")
        if not rejected:
            return 0
        path = self.folder / "values.rejected"
        try:
            with path.open("ab") as stream:
                stream.write(b"\n".join([*rejected, b""]))
        except OSError as error:
            raise output_error(path, error) from error
        with atomic_file(self.folder / "values.jsonl") as fresh:
            fresh.write_text("".join(f"{json.dumps(asdict(value))}\n" for value in values), encoding="utf-8")
        return len(rejected)

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
        self._alive.acquire()

    def release(self) -> None:
        """Say that this process is done with the journal."""
        self._alive.release()

    def is_alive(self) -> bool:
        """Whether a process writes the journal."""
        return is_held(self._alive.path)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Hold the journal's upload lock: one process or thread sends at a time.

        Raises:
            OutputError: The lock file cannot be made.
        """
        with locked(self.folder / "upload.lock"):
            yield


def create_journal(root: Path, record: Record) -> Journal:
    """Make a journal that this process writes.

    Args:
        root: The repository's folder.
        record: What it begins with.

    Raises:
        OutputError: It cannot be written.
    """
    journal = Journal(journals_folder(root) / record.key)
    try:
        journal.folder.mkdir(parents=True)
        journal.hold_alive()
    except OSError as error:
        raise output_error(journal.folder, error) from error
    journal.write(record)
    return journal


def journals_folder(root: Path) -> Path:
    """Where the journals are: in the project, of an experiment that DVC runs in a copy, too."""
    return project_root(root) / JOURNALS


def all_journals(root: Path) -> list[Journal]:
    """The journals of a repository, oldest first."""
    return [Journal(path.parent) for path in sorted(journals_folder(root).glob("*/run.json"))]


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def close_killed(root: Path) -> list[Journal]:
    """Mark the runs whose process died as killed; one that cannot be is told, and stops nothing.

    Returns:
        Their journals.
    """
    closed = []
    for journal in all_journals(root):
        try:
            if _close(journal):
                closed.append(journal)
        except Exception as error:  # Whatever lies there, it is no reason to keep another run from starting.
            say(f"{journal.folder}: a run that was killed cannot be closed ({reason_of(error)})")
    return closed


def _close(journal: Journal) -> bool:
    """Mark a run as killed, if its process died."""
    try:
        if journal.read().state != RUNNING or journal.is_alive():
            return False
        record = journal.read()  # Again: its process may have ended it between the two looks.
    except TrackingError:  # Said by `ferflow track status`; no reason to keep a run from starting.
        return False
    if record.state != RUNNING:
        return False
    with journal.sending():
        number = journal.set_aside()
        record.state = KILLED
        record.ended = max([record.started, *(value.time for value in journal.values())])
        journal.write(record)
    if number:
        say(
            f"{journal.folder / 'values.jsonl'}: {number} line{'s' if number > 1 else ''} could not be read "
            f"and {'are' if number > 1 else 'is'} set aside in values.rejected; the rest is used"
        )
    return True
