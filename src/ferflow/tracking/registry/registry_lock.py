"""One process at a time changes the registry, on whatever machine it runs.

Processes of one machine wait at a lock file. Against a store that other machines use, too, the lock is a
registered model of its own name: a store makes one of a name once, so of two machines one is told that it
is there. Its holder renews it as it goes on; one that does nothing for a minute was left by a machine which
died, and is taken away. Before the champion is moved the holder looks whether the lock is still its own.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ferflow import heavy, paths
from ferflow.errors import TrackingError
from ferflow.locks import stage_lock
from ferflow.progress import say
from ferflow.tracking import names
from ferflow.tracking.address import project_root, sqlite_file
from ferflow.tracking.outbox.net import failure_of
from ferflow.tracking.store import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK = f"{names.REGISTERED_MODEL}.lock"
TAG_HOLDER = "ferflow.holder"
_UNKNOWN = "somebody"

# Looks at the store that renew the lock: each is some requests of at most 10 seconds.
_SECONDS_UNTIL_STALE = 60.0
_PAUSE_SECONDS = 1.0

Guard = Callable[[], None]


@contextmanager
def registry_lock(client: MlflowClient) -> Iterator[Guard]:
    """Hold the registry: no two processes judge or move aliases at once.

    Args:
        client: The client of the store.

    Yields:
        What is called just before an alias is moved: it raises `TrackingError` where the lock was lost.

    Raises:
        TrackingError: The store cannot be used.
    """
    path = sqlite_file(client.tracking_uri)
    # Beside an SQLite database, since several checkouts may share it.
    folder = project_root(Path()) / paths.LOCKS if path is None else path.parent
    with stage_lock("registry", directory=folder, on_wait=say):
        if path is not None:
            yield lambda: None
            return
        lock = _Lock(client)
        with store_errors(client.tracking_uri):
            lock.acquire()
        try:
            yield lock.renew
        finally:
            # The store may be what failed: then the lock goes stale, and the next one takes it away.
            failure_of(lock.release)


class _Lock:
    """The lock in the store."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._name = f"{socket.gethostname()} process {os.getpid()} {secrets.token_hex(8)}"
        self._renewals = 0

    def acquire(self) -> None:
        """Wait for the lock, and take it."""
        seen, since = "", time.monotonic()
        while not self._create():
            holder = self._holder()
            if holder is None:
                continue  # It was released meanwhile.
            if holder != seen:
                if not seen:
                    say(f"the registry is being changed by {' '.join(holder.split()[:3])}; waiting")
                seen, since = holder, time.monotonic()
            elif time.monotonic() - since > _SECONDS_UNTIL_STALE:
                say(f"its lock has not moved for {_SECONDS_UNTIL_STALE:.0f} s and is taken away")
                self._delete()
                continue
            time.sleep(_PAUSE_SECONDS)

    def renew(self) -> None:
        """Say that the holder lives.

        Raises:
            TrackingError: Another one holds the lock by now; nothing may be changed.
        """
        with store_errors(self._client.tracking_uri):
            self._check()
            self._renewals += 1
            self._client.set_registered_model_tag(LOCK, TAG_HOLDER, self._text())
            self._check()

    def release(self) -> None:
        """Give the lock back, if it is still held."""
        if self._holder() == self._text():
            self._delete()

    def _check(self) -> None:
        if self._holder() != self._text():
            raise TrackingError(
                f"{names.REGISTERED_MODEL}: this process did nothing for so long that another one took the "
                "registry over; nothing was moved: run the same command again"
            )

    def _text(self) -> str:
        return f"{self._name} {self._renewals}"

    def _create(self) -> bool:
        try:
            self._client.create_registered_model(
                LOCK,
                tags={TAG_HOLDER: self._text()},
                description="Held while 'ferflow register' changes the registry; removed afterwards.",
            )
        except heavy.mlflow.exceptions.MlflowException as error:
            # The second: it was there, and was removed while the store looked who has it.
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
                raise
            return False
        holder = self._holder()
        if holder == _UNKNOWN:
            raise TrackingError(
                f"{names.REGISTERED_MODEL}: the store made the lock {LOCK} without its tag {TAG_HOLDER}, "
                "expected a server of MLflow; check MLFLOW_TRACKING_URI with 'ferflow doctor'"
            )
        return holder == self._text()

    def _holder(self) -> str | None:
        """Who holds the lock, or None."""
        try:
            return str(self._client.get_registered_model(LOCK).tags.get(TAG_HOLDER, _UNKNOWN))
        except heavy.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _delete(self) -> None:
        try:
            self._client.delete_registered_model(LOCK)
        except heavy.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
