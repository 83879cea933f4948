"""The detector's file: pinned, read or fetched, with retries against a server that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ferflow.data import detector
from ferflow.data.detector import YUNET_SHA256, Detector, fetch, load_detector
from ferflow.errors import DetectorError


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `answers`: a status and a body, or a pause in seconds."""

    answers: list[tuple[int, bytes] | float]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/yunet.onnx"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answer = self.server.answers.pop(0)
        if isinstance(answer, float):
            time.sleep(answer)
            return
        status, body = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(detector, "_FIRST_PAUSE_SECONDS", 0.01)
    with Server(("127.0.0.1", 0), Handler) as running:
        running.answers = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_load_detector_of_haar_has_no_file() -> None:
    assert load_detector("haar", attempts=1, timeout=1) == Detector("haar", None)
    assert Detector("haar", None).sha256 is None


def test_fetch_tries_again_until_the_server_answers(server) -> None:
    server.answers = [(503, b"busy"), (500, b"oops"), (200, b"content")]
    assert fetch(server.url, attempts=3, timeout=5) == b"content"
    assert server.answers == []


def test_fetch_gives_up_after_its_attempts_and_names_the_way_out(server) -> None:
    server.answers = [(503, b"busy")] * 5
    with pytest.raises(DetectorError, match=r"yunet\.onnx: .*2 of 2 tries.*503.*download\.detector"):
        fetch(server.url, attempts=2, timeout=5)
    assert len(server.answers) == 3


def test_fetch_does_not_ask_again_for_what_is_not_there(server) -> None:
    server.answers = [(404, b"no")] * 3
    with pytest.raises(DetectorError, match=r"1 of 3 tries.*404"):
        fetch(server.url, attempts=3, timeout=5)
    assert len(server.answers) == 2


def test_fetch_does_not_wait_for_ever(server) -> None:
    server.answers = [1.0]
    started = time.monotonic()
    with pytest.raises(DetectorError, match="timed out"):
        fetch(server.url, attempts=1, timeout=0.1)
    assert time.monotonic() - started < 0.9


def test_fetch_names_a_server_that_is_not_there(server) -> None:
    with pytest.raises(DetectorError, match="refused"):
        fetch("http://127.0.0.1:9/yunet.onnx", attempts=1, timeout=5)


def test_load_detector_refuses_what_the_server_sent_instead(server) -> None:
    server.answers = [(200, b"<html>please log in</html>")]
    with pytest.raises(DetectorError, match=rf"not the pinned detector: 26 bytes.*{YUNET_SHA256}"):
        load_detector("auto", attempts=1, timeout=5, url=server.url)


def test_load_detector_reads_no_more_than_it_needs_to_refuse(server) -> None:
    server.answers = [(200, bytes(1_000_000))]
    with pytest.raises(DetectorError, match="229,739 bytes"):
        load_detector("auto", attempts=1, timeout=5, url=server.url)


def test_load_detector_names_a_path_that_is_a_folder(tmp_path) -> None:
    with pytest.raises(DetectorError, match=r"cannot be read .*download\.detector"):
        load_detector(str(tmp_path), attempts=1, timeout=1)


@pytest.mark.real_data
def test_load_detector_accepts_the_pinned_file_from_path_and_server(shared: Path, server) -> None:
    path = shared / "models" / "face_detection_yunet_2026may.onnx"
    server.answers = [(503, b""), (200, path.read_bytes())]
    fetched = load_detector("auto", attempts=2, timeout=5, url=server.url)
    assert fetched == load_detector(str(path), attempts=1, timeout=1)
    assert (fetched.kind, fetched.sha256) == ("yunet", YUNET_SHA256)
