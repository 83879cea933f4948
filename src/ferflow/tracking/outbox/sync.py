"""Bring journals to the store: after a stage, while it runs, and by `ferflow track sync`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from ferflow.errors import FerflowError, TrackingError
from ferflow.progress import say
from ferflow.tracking import store
from ferflow.tracking.address import shown, tracking_uri
from ferflow.tracking.outbox.journal import RUNNING, Journal, all_journals, close_killed
from ferflow.tracking.outbox.net import failure_of, sheltered
from ferflow.tracking.outbox.sent import Budget, Sent, is_complete
from ferflow.tracking.outbox.upload import send

# Seconds that a stage waits at its end for a store that answers, but slowly.
STAGE_SECONDS = 60
_PAUSE_SECONDS = 5
_PAUSE_AFTER_FAILURE = 60
_SLOW = "the store is slow"


@dataclass(frozen=True)
class Status:
    """What is known of a journal.

    Attributes:
        key: Its name.
        name: The name of the run; the reason where the journal cannot be read.
        state: The state of the run, such as `evaluated`.
        is_sent: Whether a store has all of it.
        place: Store and experiment that have some of it; empty where none has.
        run_id: The id of the run there.
    """

    key: str
    name: str
    state: str
    is_sent: bool
    place: str
    run_id: str


def statuses(root: Path) -> list[Status]:
    """The journals of a repository, oldest first; runs whose process died are closed before."""
    close_killed(root)
    found = []
    for journal in all_journals(root):
        sent = Sent.load(journal) or Sent("")
        try:
            record = journal.read()
        except TrackingError as error:
            found.append(Status(journal.key, str(error), "damaged", False, sent.place, sent.run_id))
            continue
        found.append(
            Status(journal.key, record.name, record.state, is_complete(journal), sent.place, sent.run_id)
        )
    return found


def sync(root: Path, budget: Budget | None = None) -> tuple[list[str], dict[str, str]]:
    """Send every journal of a run that ended and that no store has yet.

    Args:
        root: The repository's folder.
        budget: How long it may take; without it as long as it needs.

    Returns:
        The keys of those that were sent, and key to reason of those that could not be.

    Raises:
        TrackingError: The store cannot be reached or used at all; what was sent before stays so.
        OutputError: The journals' folder cannot be written.
    """
    close_killed(root)
    waiting = [journal for journal in all_journals(root) if not is_complete(journal)]
    if not waiting:
        return [], {}
    store.client(root)
    sent, failed = [], {}
    for journal in waiting:
        try:
            if journal.read().state == RUNNING:
                continue
            send(root, journal, budget or Budget())
            sent.append(journal.key)
        except FerflowError as error:  # One that cannot be sent holds none of the others up.
            failed[journal.key] = str(error)
            store.client(root)  # Unless the store is gone.
    return sent, failed


def deliver(root: Path, journal: Journal, *, seconds: float = STAGE_SECONDS) -> None:
    """Send a run at the end of its stage, then what earlier outages left; a failure is one line.

    Args:
        root: The repository's folder.
        journal: The journal of the run.
        seconds: How long it may take, all together.
    """
    budget = Budget(seconds)

    def bring() -> str:
        run_id = send(root, journal, budget)
        return f"tracked as run {journal.read().name} ({run_id[:8]}) in {shown(tracking_uri(root))}"

    line = sheltered(bring, seconds=seconds, hint=_SLOW, tell=_not_tracked)
    if line is None:
        return
    say(line)
    if budget.left() > 1:  # What cannot be sent stays listed by `ferflow track status`.
        sheltered(
            lambda: failure_of(lambda: sync(root, budget)), seconds=budget.left(), hint=_SLOW, tell=_others
        )


def _not_tracked(reason: str) -> str:
    return f"the run is not tracked yet ({reason}); 'ferflow track sync' sends it later"


def _others(reason: str) -> str:
    return f"runs of earlier outages are not sent yet ({reason}); 'ferflow track sync' sends them later"


class LiveSender(threading.Thread):
    """Sends the journal of a run that goes on, each time it is woken; failures only slow it down.

    Once the store has answered, what earlier outages and kills left is sent, too: a killed run is not
    shown as running for as long as this one takes.

    Args:
        root: The repository's folder.
        journal: The journal of the run.
    """

    def __init__(self, root: Path, journal: Journal) -> None:
        super().__init__(name="ferflow-sender", daemon=True)
        self._root = root
        self._journal = journal
        self._woken = threading.Event()
        self._ended = threading.Event()

    def wake(self) -> None:
        """There is something to send; starts the thread at the first call."""
        self._woken.set()
        if self.ident is None:
            self.start()

    def run(self) -> None:
        """Send until `end`."""
        is_first = True
        budget = Budget(None, self._ended)
        while not self._ended.is_set():
            self._woken.wait()
            self._woken.clear()
            failure = failure_of(lambda: send(self._root, self._journal, budget))
            if failure is None and is_first:
                is_first = False
                failure = failure_of(lambda: sync(self._root, budget))
            pause = _PAUSE_SECONDS if failure is None else _PAUSE_AFTER_FAILURE
            self._ended.wait(pause)

    def end(self, seconds: float) -> None:
        """Send no more, and wait for a request that is under way, but not longer than some seconds."""
        self._ended.set()
        self._woken.set()
        if self.ident is not None:
            self.join(seconds)
