"""The service on a port, until Ctrl-C or SIGTERM; requests in flight are answered first."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from ferflow.errors import ServiceError
from ferflow.serving.connections import (
    BACKLOG,
    RESERVED_FILES,
    Connections,
    bound_logs,
    file_limit,
    protocol_for,
)
from ferflow.serving.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_SECONDS_TO_END = 30


def open_port(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that nobody else gets the port.

    Args:
        host: Address or name of this machine.
        port: 0: a free one.

    Raises:
        ServiceError: The port is taken, or cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio turns Nagle's algorithm off; else each answer waits 40 ms in the kernel.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
        return bound
    except OSError as error:
        bound.close()
        taken = error.errno == errno.EADDRINUSE
        found = "is in use by another program" if taken else f"cannot be opened ({error.strerror})"
        raise ServiceError(
            f"port {port} of {host} {found}; choose another one with --port, or 0 for a free one"
        ) from error


def address_of(bound: socket.socket) -> str:
    """The address that a browser opens."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    service: FastAPI, bound: socket.socket, *, on_ready: Callable[[], Any], limits: Limits | None = None
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        service: The application.
        bound: From `open_port`; closed at the end.
        on_ready: Called once when requests are answered.
        limits: The limits of its connections.
    """
    with bound, _quiet_end():
        make_server(service, on_ready=on_ready, limits=limits).run(sockets=[bound])


def make_server(
    service: FastAPI, *, on_ready: Callable[[], Any], limits: Limits | None = None
) -> uvicorn.Server:
    """The server of `serve`, silent but for errors, and few of them."""
    bounds = limits or Limits()
    connections = Connections(bounds, max_files=file_limit(bounds.max_connections + RESERVED_FILES))
    bound_logs()
    config = uvicorn.Config(
        service,
        http=protocol_for(connections),
        backlog=BACKLOG,
        log_level="error",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    return _Server(config, on_ready)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], Any]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


@contextmanager
def _quiet_end() -> Iterator[None]:
    """Swallow the signal that uvicorn sends itself once more when it has ended: that is no failure."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)
