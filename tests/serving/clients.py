"""Clients of a service, ordinary and slow ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ferflow import Predictor
from ferflow.serving.limits import Limits
from tests.serving.pictures import photo_of
from tests.serving.running import running
from tests.source_files import encoded

PHOTO = encoded(photo_of([(40, 60, 144), (280, 150, 144)]), ".png")
SECONDS = 20


def client_of(address: str) -> httpx.Client:
    """A client of a service."""
    return httpx.Client(base_url=address, timeout=SECONDS)


@contextmanager
def limited(export_folder: Path, **limits: float) -> Iterator[httpx.Client]:
    """A client of a service with one worker and other limits."""
    bounds = Limits(**limits)
    predictor = Predictor(export_folder, max_pixels=bounds.max_pixels, max_faces=bounds.max_faces)
    with running([predictor], bounds) as address, client_of(address) as client:
        yield client


def counted(client: httpx.Client, line: str) -> float:
    """The value of a line of /metrics; 0 where it is not there yet."""
    lines = client.get("/metrics").text.splitlines()
    return next((float(entry.split()[-1]) for entry in lines if entry.startswith(line)), 0.0)


def slow_upload(address: str) -> socket.socket:
    """A connection on which half a photo was sent."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=SECONDS)
    head = f"POST /predict HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
    connection.sendall(head.encode() + PHOTO[: len(PHOTO) // 2])
    return connection


def wait_until(is_done: Callable[[], bool]) -> None:
    """Look again and again; fails where it has not come true in time."""
    until = time.monotonic() + SECONDS
    while not is_done():
        assert time.monotonic() < until
        time.sleep(0.05)
