"""What the processes before took that trained the epochs which a resumed run did not train itself."""

from __future__ import annotations

from pathlib import Path

from ferflow.errors import TrackingError
from ferflow.tracking import names
from ferflow.tracking.outbox.journal import FAILED, KILLED, Journal, Record, all_journals


def seconds_before(root: Path, record: Record, num_epochs: int) -> float:
    """Seconds of the stopped processes that a run goes on with.

    Those are the newest ones with the same parameters and data, back to the one that began with epoch 1.

    Args:
        root: The repository's folder.
        record: The record of the run; `started` and `params` of its beginning.
        num_epochs: How many epochs were trained before it; the first ones.
    """
    total, wanted = 0, num_epochs
    for journal in reversed(all_journals(root)):
        if wanted <= 0:
            break
        earlier = _stopped(journal, record)
        steps = _epochs_of(journal) if earlier is not None else set()
        if earlier is None or wanted not in steps:
            continue
        total += max(0, earlier.ended - earlier.started)
        wanted = min(steps) - 1
    return total / 1000


def _stopped(journal: Journal, record: Record) -> Record | None:
    """A run that was stopped and that `record` may go on with."""
    try:
        earlier = journal.read()
    except TrackingError:
        return None
    is_same = (earlier.subsets, _trained_with(earlier)) == (record.subsets, _trained_with(record))
    is_before = earlier.key != record.key and earlier.started <= record.started
    return earlier if is_same and is_before and earlier.state in (KILLED, FAILED) else None


def _trained_with(record: Record) -> dict[str, str]:
    sections = ("seed", "model.", "augment.", "train.")
    return {name: value for name, value in record.params.items() if name.startswith(sections)}


def _epochs_of(journal: Journal) -> set[int]:
    return {value.step for value in journal.values() if names.EPOCH_METRICS[0] in value.values}
