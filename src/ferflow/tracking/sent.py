"""What a store has confirmed of a journal, and how long sending may take."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field

from ferflow.errors import TrackingError
from ferflow.files import output_error, sha256_of
from ferflow.tracking.journal import Journal


class Budget:
    """How long sending may go on; looked at before each request.

    Args:
        seconds: From now on; None: as long as it takes.
        stop: An event that calls it off.
    """

    def __init__(self, seconds: float | None = None, stop: threading.Event | None = None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self._stop = stop

    def check(self) -> None:
        """Go on, or not.

        Raises:
            TrackingError: The time is over, or sending was called off.
        """
        if self._stop is not None and self._stop.is_set():
            raise TrackingError("sending was called off")
        if self._end is not None and time.monotonic() > self._end:
            raise TrackingError(f"the store is slow: not done after {self._seconds:.0f} s")


@dataclass
class Sent:
    """What a store has confirmed; saved as `sent.json`.

    Attributes:
        place: The store, without password, and the experiment.
        run_id: Of the run; empty before it exists.
        is_unsure: A request was sent whose answer is not known.
        num_values: Lines of `values.jsonl`.
        params: Names.
        tags: Name to value.
        metrics: Name to value.
        subsets: Names of data sets.
        files: Name of a file to its SHA-256; those of the logged model begin with `model:`.
        model_id: Of the logged model; empty before it exists.
        has_model: Whether the logged model is whole.
        complete: SHA-256 of the `run.json` of which the store has all; empty before.
    """

    place: str
    run_id: str = ""
    is_unsure: bool = False
    num_values: int = 0
    params: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    subsets: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    model_id: str = ""
    has_model: bool = False
    complete: str = ""

    def save(self, journal: Journal) -> None:
        """Replace `sent.json`, without waiting for the disk: what is lost is looked up in the store.

        Raises:
            OutputError: It cannot be written.
        """
        path = journal.folder / "sent.json"
        fresh = path.with_suffix(".tmp-json")
        try:
            fresh.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            raise output_error(path, error) from error

    @classmethod
    def load(cls, journal: Journal) -> Sent | None:
        """What `sent.json` holds, or None where it is missing or damaged."""
        try:
            return cls(**json.loads((journal.folder / "sent.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def digest_of(journal: Journal) -> str:
    """What `Sent.complete` is compared with.

    Raises:
        TrackingError: The journal cannot be read.
    """
    path = journal.folder / "run.json"
    try:
        return sha256_of(path)
    except OSError as error:
        raise TrackingError(f"{path}: not readable ({error})") from error


def is_complete(journal: Journal) -> bool:
    """Whether a store has all that the journal holds."""
    sent = Sent.load(journal)
    return sent is not None and sent.complete == digest_of(journal)
