"""Connections that may be slow or idle, but not for ever, and not all of them at once.

uvicorn has no timeout for the head of a request, nor one for an answer that nobody fetches, and a cap
of its own answers 503 to everybody. Here a connection has a time for the head of each request; where there
are too many, one that does nothing makes room for the new one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from ferflow.serving.limits import Limits

# File descriptors that are not connections: the network, logs, what waits to be accepted.
RESERVED_FILES = 192
BACKLOG = 64
_MIN_CONNECTIONS = 16
_BUSY = b'{"error":"too many connections; try again in a second"}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)
_LOGGERS = ("asyncio", "uvicorn.error")
_MOST_RECORDS, _RECORD_SECONDS = 20, 60.0


class Connections:
    """All connections of a server.

    Args:
        limits: `max_connections`, `head_seconds` and `seconds`.
        max_files: File descriptors that this process may have; None: no limit is known.
    """

    def __init__(self, limits: Limits, *, max_files: int | None) -> None:
        self.limits = limits
        allowed = limits.max_connections if max_files is None else max_files - RESERVED_FILES
        self.most = max(_MIN_CONNECTIONS, min(limits.max_connections, allowed))
        self._open: dict[Connection, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection) -> bool:
        """Take a connection in; where there are too many, an idle one has to go.

        Returns:
            False where all of them are at work: the new one is to be closed.
        """
        if len(self._open) >= self.most:
            victim = self._least_deserving()
            if victim is None:
                return False
            self.leave(victim)
            victim.transport.abort()
        self._open[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)

    def _least_deserving(self) -> Connection | None:
        """The oldest idle connection of the client that has most of them."""
        idle = [connection for connection in self._open if connection.is_idle]
        if not idle:
            return None
        shares = Counter(connection.address for connection in idle)
        most = max(shares.values())
        return next(connection for connection in idle if shares[connection.address] == most)


class Connection(H11Protocol):
    """uvicorn's protocol, with a time by which the next head, and the answer to it, must be there."""

    connections_of_server: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._watched: Any = None  # the request that the deadline is for

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered: a head is awaited, or half of one is there."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or close it."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self.connections_of_server.enter(self):
            transport.write(_REFUSAL)
            transport.close()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._cancel()
        self.connections_of_server.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that begins has a time of its own."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_request()

    def on_response_complete(self) -> None:
        """Expect the next head."""
        self._expect_head()
        super().on_response_complete()
        self._watch_request()

    def _watch_request(self) -> None:
        """Give a request that has begun its time; its worker and its body have shorter ones."""
        if not self.is_idle and self.cycle is not self._watched:
            self._watched = self.cycle
            limits = self.connections_of_server.limits
            self._set_deadline(limits.seconds + limits.head_seconds)

    def _expect_head(self) -> None:
        self._set_deadline(self.connections_of_server.limits.head_seconds)

    def _set_deadline(self, seconds: float) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        """Close without a word: who sends half a head for so long reads no answer."""
        self.connections_of_server.leave(self)
        self.transport.abort()


def protocol_for(connections: Connections) -> type[Connection]:
    """The protocol of a server with these connections."""
    return type("ServedConnection", (Connection,), {"connections_of_server": connections})


def file_limit(wanted: int) -> int | None:
    """Raise the number of file descriptors to what is wanted, as far as that is allowed.

    Returns:
        What there are then; None where the system has no such limit.
    """
    try:
        import resource  # Late: Windows has none.
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < wanted:
        goal = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(goal, soft), hard))
            soft = max(goal, soft)
    return soft


class FewRecords(logging.Filter):
    """Lets some records a minute pass: what repeats for each connection would fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._started = 0.0
        self._number = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written; the last one says that more are left out."""
        now = time.monotonic()
        if now - self._started > _RECORD_SECONDS:
            self._started, self._number = now, 0
        self._number += 1
        if self._number == _MOST_RECORDS:
            record.msg = f"{record.getMessage()} (more of these are left out for {_RECORD_SECONDS:g} s)"
            record.args = None
        return self._number <= _MOST_RECORDS


def bound_logs() -> None:
    """Have the loggers of the server write some records a minute at most."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, FewRecords) for known in logger.filters):
            logger.addFilter(FewRecords())
