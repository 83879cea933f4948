"""What a store has confirmed of a journal, and how long sending may take."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import cache

from pydantic import TypeAdapter

from ferflow.errors import TrackingError
from ferflow.files import sha256_of, write_json
from ferflow.tracking.address import DATABASE
from ferflow.tracking.outbox.journal import Journal
from ferflow.tracking.outbox.record import Count, Figure, read_bytes

# What earlier versions called the embedded store: an absolute path, which a moved project no longer has.
_EMBEDDED = re.compile(rf"sqlite:///.*/{re.escape(str(DATABASE))} ")


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

    def left(self) -> float:
        """Seconds that are left, 0 at least; a day where there is no end."""
        return 86_400.0 if self._end is None else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Go on, or not.

        Raises:
            TrackingError: The time is over, or sending was called off.
        """
        if self._stop is not None and self._stop.is_set():
            raise TrackingError("sending was called off")
        if self._end is not None and time.monotonic() > self._end:
            raise TrackingError(
                f"the store is slow: not done after {self._seconds:.0f} s; run 'ferflow track sync' later"
            )


@dataclass(frozen=True)
class Former:
    """Another store that has a run: its id there, and `Sent.complete` of then."""

    run_id: str
    complete: str = ""


@dataclass
class Sent:
    """What a store has confirmed; saved as `sent.json`.

    Attributes:
        place: The store, without password, and the experiment; `mlruns/mlflow.db` is the project's own.
        run_id: The id of the run; empty before it exists.
        is_unsure: A request was sent whose answer is not known.
        num_values: Lines of `values.jsonl`.
        params: Names.
        tags: Name to value.
        metrics: Name to value.
        subsets: Names of data sets.
        files: Name of a file to its SHA-256; those of the logged model begin with `model:`.
        model_id: The id of the logged model; empty before it exists.
        has_model: Whether the logged model is whole.
        complete: SHA-256 of the `run.json` of which the store has all; empty before.
        former: Place to what another store has of the run.
    """

    place: str
    run_id: str = ""
    is_unsure: bool = False
    num_values: Count = 0
    params: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Figure] = field(default_factory=dict)
    subsets: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    model_id: str = ""
    has_model: bool = False
    complete: str = ""
    former: dict[str, Former] = field(default_factory=dict)

    def save(self, journal: Journal) -> None:
        """Replace `sent.json`.

        Raises:
            OutputError: It cannot be written.
        """
        write_json(journal.folder / "sent.json", asdict(self))

    @classmethod
    def load(cls, journal: Journal) -> Sent | None:
        """What `sent.json` holds; None where it is missing or damaged: then the store is asked."""
        try:
            found = _sents().validate_json(read_bytes(journal.folder / "sent.json"))
        except (OSError, ValueError):
            return None
        found.place = _EMBEDDED.sub(f"{DATABASE} ", found.place)
        return found

    def at(self, place: str) -> Sent:
        """What is known of another place: at most which run it was there."""
        if place == self.place:
            return self
        others = dict(self.former)
        if self.run_id:
            others[self.place] = Former(self.run_id, self.complete)
        known = others.pop(place, None) or Former("")
        return Sent(place, known.run_id, is_unsure=True, complete=known.complete, former=others)

    def is_complete_at(self, place: str, digest: str) -> bool:
        """Whether a place has, or had, all that the journal of a digest holds."""
        return bool(digest) and self.at(place).complete == digest

    def places_with(self, digest: str) -> list[str]:
        """The places that have all that the journal of a digest holds."""
        return [place for place in (self.place, *self.former) if self.is_complete_at(place, digest)]


@cache
def _sents() -> TypeAdapter[Sent]:
    return TypeAdapter(Sent)


def digest_of(journal: Journal) -> str:
    """What `Sent.complete` is compared with.

    Raises:
        TrackingError: The journal cannot be read.
    """
    path = journal.folder / "run.json"
    try:
        return sha256_of(path)
    except OSError as error:
        raise TrackingError(
            f"{path}: not readable ({error.strerror}); put a copy of it back, or remove {journal.folder} to "
            "give its run up"
        ) from error


def is_complete(journal: Journal) -> bool:
    """Whether a store, be it another than the present one, has all that the journal holds."""
    sent = Sent.load(journal)
    return sent is not None and bool(sent.places_with(digest_of(journal)))
