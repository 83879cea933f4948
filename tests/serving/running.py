"""The service on a free port, in a thread or as the command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ferflow.serving.limits import Limits
from ferflow.serving.predictor import Predictor
from ferflow.serving.server import HOST, LOCAL_NAMES, address_of, make_server, open_port
from ferflow.serving.service import create_service


@contextmanager
def running(
    predictors: Sequence[Predictor], limits: Limits | None = None, *, with_page: bool = False
) -> Iterator[str]:
    """Yield the address of a service that runs in a thread."""
    service = create_service(predictors, hosts=LOCAL_NAMES, limits=limits, with_page=with_page)
    ready = threading.Event()
    server = make_server(service, on_ready=ready.set, limits=limits)
    with open_port(HOST, 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        assert ready.wait(20)
        try:
            yield address_of(bound)
        finally:
            server.should_exit = True
            thread.join()


def started(*arguments: str | Path) -> tuple[subprocess.Popen[str], str]:
    """`ferflow ...` in a process of its own, and the address that it prints."""
    command = [sys.executable, "-m", "ferflow", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    return process, line.split()[0] if line else process.stderr.read()


class Gated(Predictor):
    """A predictor that waits at a gate before it looks at a picture."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate = threading.Event()
        self.is_waiting = threading.Semaphore(0)

    def predict(self, image):
        self.is_waiting.release()
        assert self.gate.wait(20)
        return super().predict(image)
