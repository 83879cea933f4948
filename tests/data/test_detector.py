"""The detector's file: pinned, read or fetched, with retries against a server that fails."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ferflow.data.cache import cache_folder
from ferflow.data.faces import detector, detector_at_hand
from ferflow.data.faces.detector import YUNET_SHA256, YUNET_URLS, Detector, cached, fetch, load_detector
from ferflow.data.faces.detector_at_hand import describe_detector
from ferflow.errors import DetectorError
from tests.local_server import listening


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


CONTENT = b"content"


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Server]:
    """A source of a detector of seven bytes, and a cache without one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("FERFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FERFLOW_OFFLINE")
    monkeypatch.setattr(detector, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(detector, "YUNET_SHA256", hashlib.sha256(CONTENT).hexdigest())
    running = Server(("127.0.0.1", 0), Handler)
    running.answers = []
    with listening(running):
        yield running


def test_load_detector_of_haar_has_no_file() -> None:
    assert load_detector("haar", attempts=1, timeout=1) == Detector("haar", None)
    assert Detector("haar", None).sha256 is None


def test_sources_are_pinned_by_commit_and_checksum() -> None:
    assert re.search(r"/opencv_zoo/[0-9a-f]{40}/", YUNET_URLS[0])
    assert len(YUNET_URLS) == 2
    assert all(url.startswith("https://") and url.endswith(detector.YUNET_FILE) for url in YUNET_URLS)


def test_fetch_tries_again_until_the_server_answers(server) -> None:
    server.answers = [(503, b"busy"), (500, b"oops"), (200, CONTENT)]
    assert fetch([server.url], attempts=3, timeout=5) == CONTENT
    assert server.answers == []


def test_fetch_goes_to_the_second_source(server) -> None:
    server.answers = [(200, b"another"), (200, CONTENT)]
    assert fetch([server.url, f"{server.url}?second"], attempts=1, timeout=5) == CONTENT
    server.answers = [(404, b"no"), (200, CONTENT)]
    assert fetch([server.url, f"{server.url}?second"], attempts=1, timeout=5) == CONTENT


def test_fetch_gives_up_after_its_attempts_and_names_the_way_out(server) -> None:
    server.answers = [(503, b"busy")] * 5
    with pytest.raises(DetectorError, match=r"2 of 2 tries.*yunet\.onnx: .*503.*download\.detector"):
        fetch([server.url], attempts=2, timeout=5)
    assert len(server.answers) == 3


def test_fetch_does_not_ask_again_for_what_is_not_there(server) -> None:
    server.answers = [(404, b"no")] * 3
    with pytest.raises(DetectorError, match=r"1 of 3 tries.*404"):
        fetch([server.url], attempts=3, timeout=5)
    assert len(server.answers) == 2


def test_fetch_does_not_wait_for_ever(server) -> None:
    server.answers = [1.0]
    started = time.monotonic()
    with pytest.raises(DetectorError, match="timed out"):
        fetch([server.url], attempts=1, timeout=0.1)
    assert time.monotonic() - started < 0.9


def test_fetch_names_a_server_that_is_not_there(server) -> None:
    with pytest.raises(DetectorError, match="refused"):
        fetch(["http://127.0.0.1:9/yunet.onnx"], attempts=1, timeout=5)


def test_load_detector_refuses_what_the_server_sent_instead(server) -> None:
    server.answers = [(200, b"<html>please log in</html>")]
    with pytest.raises(DetectorError, match=rf"not the pinned detector: 26 bytes.*{detector.YUNET_SHA256}"):
        load_detector("auto", attempts=1, timeout=5, urls=[server.url])
    assert cached() is None


def test_load_detector_reads_no_more_than_it_needs_to_refuse(server) -> None:
    server.answers = [(200, bytes(1_000_000))]
    with pytest.raises(DetectorError, match="229,739 bytes"):
        load_detector("auto", attempts=1, timeout=5, urls=[server.url])


def test_the_detector_is_fetched_once_for_all(server) -> None:
    server.answers = [(200, CONTENT)]
    for _ in range(3):
        assert load_detector("auto", attempts=1, timeout=5, urls=[server.url]).content == CONTENT
    assert [path.name for path in cache_folder().iterdir()] == [detector.YUNET_FILE]


def test_a_damaged_cache_is_fetched_anew(server) -> None:
    cache_folder().mkdir()
    (cache_folder() / detector.YUNET_FILE).write_bytes(b"damaged")
    server.answers = [(200, CONTENT)]
    assert load_detector("auto", attempts=1, timeout=5, urls=[server.url]).content == CONTENT
    assert cached() == CONTENT


def test_a_cache_that_cannot_be_written_is_said_and_passed_over(
    server, monkeypatch, tmp_path, capsys
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FERFLOW_CACHE", str(tmp_path / "file" / "below"))
    server.answers = [(200, CONTENT)]
    assert load_detector("auto", attempts=1, timeout=5, urls=[server.url]).content == CONTENT
    assert "not kept for the next time" in capsys.readouterr().err


def test_a_photo_is_looked_at_by_yunet_once_it_was_fetched(server, monkeypatch) -> None:
    monkeypatch.setattr(detector_at_hand, "YUNET_URLS", [server.url])
    server.answers = [(200, CONTENT)]
    assert "until YuNet is fetched" in describe_detector()
    assert detector_at_hand.detector_at_hand() == (cache_folder() / detector.YUNET_FILE, CONTENT)
    assert detector_at_hand.detector_at_hand() is not None
    assert describe_detector().startswith("YuNet, ")


def test_without_network_haar_looks_and_nothing_is_tried_for_some_minutes(
    server, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(detector_at_hand, "YUNET_URLS", [server.url])
    server.answers = [(503, b"busy"), (200, CONTENT)]
    assert detector_at_hand.detector_at_hand() is None
    assert detector_at_hand.detector_at_hand() is None
    assert len(server.answers) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("Haar cascade, as YuNet could not be fetched" in line and "of 100" in line for line in said)
    long_ago = time.time() - 700
    os.utime(cache_folder() / "detector-not-fetched", (long_ago, long_ago))
    assert detector_at_hand.detector_at_hand() is not None


def test_a_source_that_does_not_answer_holds_nothing_up(server, monkeypatch) -> None:
    monkeypatch.setattr(detector_at_hand, "YUNET_URLS", [server.url])
    monkeypatch.setattr(detector_at_hand, "_SECONDS_TO_FETCH", 0.1)
    server.answers = [0.5]
    assert detector_at_hand.detector_at_hand() is None


def test_nothing_is_fetched_where_it_is_forbidden(server, monkeypatch, capsys) -> None:
    monkeypatch.setenv("FERFLOW_OFFLINE", "1")
    assert detector_at_hand.detector_at_hand() is None
    assert "FERFLOW_OFFLINE is set" in capsys.readouterr().err


def test_load_detector_names_a_path_that_is_a_folder(tmp_path) -> None:
    with pytest.raises(DetectorError, match=r"cannot be read .*download\.detector"):
        load_detector(str(tmp_path), attempts=1, timeout=1)


@pytest.mark.real_data
def test_load_detector_accepts_the_pinned_file_from_path_and_server(
    shared: Path, server, monkeypatch
) -> None:
    path = shared / "models" / "face_detection_yunet_2026may.onnx"
    monkeypatch.setattr(detector, "YUNET_SHA256", YUNET_SHA256)
    server.answers = [(503, b""), (200, path.read_bytes())]
    fetched = load_detector("auto", attempts=2, timeout=5, urls=[server.url])
    assert fetched == load_detector(str(path), attempts=1, timeout=1)
    assert (fetched.kind, fetched.sha256) == ("yunet", YUNET_SHA256)
