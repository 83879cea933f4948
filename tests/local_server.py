"""Servers of a test, in a thread of its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import TCPServer


@contextmanager
def listening(server: TCPServer) -> Iterator[str]:
    """Let a server answer until the block ends; its host and port.

    It looks a hundred times a second whether it shall end; at socketserver's twice, each test waited for it.
    """
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    with server:
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
