"""The registered versions, and how a promotion is taken back."""

from __future__ import annotations

from pathlib import Path

from ferflow.tracking.registry import aliases
from ferflow.tracking.registry.aliases import Rollback
from ferflow.tracking.registry.registry_lock import registry_lock
from ferflow.tracking.store import open_existing


def table() -> str:
    """The versions, newest first, with what the gate said of each, as a table for people.

    Raises:
        TrackingError: There is no store, or it cannot be used.
    """
    return aliases.version_table(open_existing(Path()))


def rollback() -> Rollback:
    """Make the version champion that was before the present one.

    Raises:
        TrackingError: There is no store, it cannot be used, or there is no former champion.
    """
    store = open_existing(Path())
    with registry_lock(store) as guard:
        return aliases.rollback(store, guard)
