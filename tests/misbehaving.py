"""A server on 127.0.0.1 that misbehaves in many ways, most of which show what it was sent."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Takes what was asked and where this server is; gives the raw answer.
Answer = Callable[[str, int], bytes]


def _answer(body: bytes, *, code: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def _json(content: object, code: str = "200 OK") -> Answer:
    return lambda _, __: _answer(json.dumps(content).encode(), code=code)


def _error(code: str, error_code: str) -> Answer:
    """MLflow's own kind of error, with all that was asked as its text."""
    return lambda asked, _: _answer(
        json.dumps({"error_code": error_code, "message": f"you sent {asked}"}).encode(), code=code
    )


def _redirect(place: str) -> Answer:
    return lambda _, port: _answer(b"", code="302 Found", more=f"Location: {place.format(port=port)}\r\n")


MISBEHAVIOURS: dict[str, Answer] = {
    "nothing is found": lambda asked, _: _answer(asked.encode(), code="404 Not Found", kind="text/html"),
    "it wants to know who asks": _error("401 Unauthorized", "UNAUTHENTICATED"),
    "it refuses": _error("403 Forbidden", "PERMISSION_DENIED"),
    "it calls the request bad": _error("400 Bad Request", "INVALID_PARAMETER_VALUE"),
    "it fails and shows the request": _error("500 Internal Server Error", "INTERNAL_ERROR"),
    "it fails in plain text": lambda asked, _: _answer(
        asked.encode(), code="500 Internal Server Error", kind="text/plain"
    ),
    "it is too busy": _error("429 Too Many Requests", "REQUEST_LIMIT_EXCEEDED"),
    "it is away": _error("503 Service Unavailable", "TEMPORARILY_UNAVAILABLE"),
    "a login page": lambda asked, _: _answer(f"<html>log in {asked}</html>".encode(), kind="text/html"),
    "nothing in it": lambda _, __: _answer(b""),
    "no JSON": lambda asked, _: _answer(b"{" + asked.encode()),
    "null": _json(None),
    "a list": _json([1, 2, 3]),
    "other types": _json({"experiment": 5, "experiments": "x", "registered_model": [], "runs": {"a": 1}}),
    "unknown fields": _json({"experiment": {"experiment_id": {"a": [None]}, "tags": "none"}}),
    "deep JSON": lambda _, __: _answer(b"[" * 100_000 + b"]" * 100_000),
    "no UTF-8": lambda _, __: _answer(b'{"a": "\xff\xfe"}'),
    "a loop of redirects": _redirect("http://me:Red1rect-Secret@127.0.0.1:{port}/"),
    "a redirect to a bad port": _redirect("http://me:Red1rect-Secret@127.0.0.1:99999/"),
    "a redirect to a file": _redirect("file:///etc/hostname?token=Red1rect-Secret"),
    "it hangs up": lambda _, __: b"",
    "half a head": lambda _, __: b"HTTP/1.1 200 OK\r\nContent-Ty",
    "no HTTP": lambda asked, _: b"\x00\x01SSH-2.0 " + asked.encode()[:40],
    "a longer body than it sends": lambda asked, _: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + asked.encode()[:50]
    ),
    "broken chunks": lambda _, __: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
    "broken gzip": lambda _, __: _answer(gzip.compress(b"x" * 100)[:30], more="Content-Encoding: gzip\r\n"),
    "a status that nobody knows": lambda asked, _: _answer(asked.encode(), code="799 What"),
}


def _is_all(asked: bytes) -> bool:
    """Whether a request has its head; a client of TLS or of a database says something else and waits."""
    return b"\r\n\r\n" in asked or bool(asked and not asked[:1].isalpha())


class Misbehaving:
    """The server; `mode` is one of `MISBEHAVIOURS`."""

    def __init__(self) -> None:
        self.mode = next(iter(MISBEHAVIOURS))
        self.num_asked = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Answer until the socket is closed."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._answer(connection)

    def close(self) -> None:
        """End `serve`."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        asked = b""
        while not _is_all(asked) and (part := connection.recv(65536)):
            asked += part
        self.num_asked += 1
        connection.sendall(MISBEHAVIOURS[self.mode](asked.decode("latin-1"), self.port))
        connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + 0.2
        connection.settimeout(0.2)
        while time.monotonic() < until and connection.recv(65536):  # or else the answer is lost to a reset
            continue


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    """Yield a server that runs in a thread."""
    server = Misbehaving()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
