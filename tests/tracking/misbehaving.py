"""A server on 127.0.0.1 that answers every request with the same bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def answer(status: str, body: str, kind: str = "text/html", **headers: str) -> bytes:
    """An HTTP answer: status such as `401 Unauthorized`, and its body."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body.encode())}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", body]).encode()


@contextmanager
def misbehaving(content: bytes, *, pause: float = 0.0) -> Iterator[int]:
    """Serve; yields the port.

    Args:
        content: What every connection is answered with, once some of its request has come.
        pause: Seconds between two bytes; 0 sends them at once.
    """
    ended = threading.Event()

    def serve_one(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                if not pause:
                    connection.sendall(content)
                    return
                for number in content:
                    connection.sendall(bytes([number]))
                    if ended.wait(pause):
                        return
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                connection.settimeout(5)
                threads.append(threading.Thread(target=serve_one, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            ended.set()
            for thread in (accepting, *threads):
                thread.join()
