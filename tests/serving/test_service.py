"""The service over HTTP: what it answers, what it refuses, and that it goes on afterwards."""

from __future__ import annotations

import base64
import inspect
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow import Predictor
from ferflow.cli import serve
from ferflow.cli.app import app
from ferflow.errors import ModelError, ServiceError
from ferflow.explain.heatmap import overlay
from ferflow.labels import EMOTIONS
from ferflow.serving.limits import Limits
from ferflow.serving.metrics import Metrics
from ferflow.serving.server import HOST
from ferflow.workflows import serve as serving
from ferflow.workflows.serve import Answerers
from tests.serving.malformed import malformed_uploads
from tests.serving.pictures import photo_of
from tests.serving.running import Gated, running, started
from tests.source_files import encoded

PHOTO = encoded(photo_of([(40, 60, 144), (280, 150, 144)]), ".png")
_SECONDS = 20


@pytest.fixture(scope="module")
def predictor(export_folder) -> Predictor:
    return Predictor(export_folder)


@pytest.fixture(scope="module")
def client(export_folder):
    """A client of a service with two workers."""
    with (
        running([Predictor(export_folder, threads=1) for _ in range(2)]) as address,
        _client(address) as open_one,
    ):
        yield open_one


def _client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=_SECONDS)


@contextmanager
def _limited(export_folder, **limits):
    """A client of a service with one worker and other limits."""
    bounds = Limits(**limits)
    predictor = Predictor(export_folder, max_pixels=bounds.max_pixels, max_faces=bounds.max_faces)
    with running([predictor], bounds) as address, _client(address) as client:
        yield client


def _count(client: httpx.Client, line: str) -> float:
    """The value of a line of /metrics; 0 where it is not there yet."""
    lines = client.get("/metrics").text.splitlines()
    return next((float(entry.split()[-1]) for entry in lines if entry.startswith(line)), 0.0)


def test_a_photo_is_answered_as_the_predictor_answers(client, predictor):
    answer = client.post("/predict", content=PHOTO)
    assert answer.status_code == 200
    content = answer.json()
    assert content["model"] == {
        "name": "ferflow",
        "version": "3",
        "sha256": "5" * 64,
        "source": "export",
        "trained_on": None,
        "warning": None,
    }
    assert (content["width"], content["height"]) == (480, 360)
    expected = predictor.predict(PHOTO)
    assert len(content["faces"]) == len(expected) == 2
    for found, face in zip(content["faces"], expected, strict=True):
        assert found["box"] == list(face.box)
        assert found["score"] == pytest.approx(face.score, abs=1e-6)
        assert (found["emotion"], found["is_tiny"]) == (face.emotion, False)
        assert found["confidence"] == pytest.approx(face.confidence, abs=1e-6)
        assert list(found["probabilities"]) == list(EMOTIONS)
        np.testing.assert_allclose(list(found["probabilities"].values()), face.probabilities, atol=1e-6)


def test_a_cut_out_face_is_read_as_a_whole(client, predictor):
    (found,) = client.post("/predict", params={"whole": True}, content=PHOTO).json()["faces"]
    face = predictor.whole_image(PHOTO)
    assert (found["box"], found["score"]) == (list(face.box), None)
    np.testing.assert_allclose(list(found["probabilities"].values()), face.probabilities, atol=1e-6)


def test_explained_faces_come_with_their_heatmaps(client, predictor):
    answer = client.post("/explain", content=PHOTO).json()
    plain = client.post("/predict", content=PHOTO).json()
    for found, face in zip(answer["faces"], predictor.predict(PHOTO), strict=True):
        png = np.frombuffer(base64.b64decode(found.pop("overlay")), np.uint8)
        expected = overlay(face.crop, predictor.explain_faces(face.crop[None])[1][0], side=192)
        np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_COLOR), expected)
    assert answer == plain


def test_a_picture_without_a_face_is_answered(client):
    answer = client.post("/predict", content=encoded(photo_of([])))
    assert (answer.status_code, answer.json()["faces"]) == (200, [])


def test_malformed_uploads_are_refused_with_a_reason_and_the_service_goes_on(client):
    uploads = malformed_uploads()
    assert len(uploads) >= 40
    for name, content in uploads.items():
        for address in ("/predict", "/predict?whole=true"):
            answer = client.post(address, content=content)
            assert 400 <= answer.status_code < 500, name
            assert len(answer.json()["error"]) > 5, name
            assert "picture 0" not in answer.json()["error"], name
    assert client.post("/explain", content=uploads["text"]).status_code == 422
    assert len(client.post("/predict", content=PHOTO).json()["faces"]) == 2
    assert _count(client, "ferflow_requests_in_flight") == 1  # The one that asks.


def test_a_form_is_refused_with_the_way_that_works(client):
    answer = client.post("/predict", files={"file": PHOTO})
    assert (answer.status_code, "--data-binary" in answer.json()["error"]) == (415, True)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"content-type": "Multipart/Form-Data; boundary=x"}, "--data-binary"),
        ({"content-encoding": "gzip"}, "packed ('gzip'); send the picture itself"),
        ({"content-encoding": "BR"}, "packed ('BR'); send the picture itself"),
    ],
)
def test_what_is_no_bare_picture_by_its_head_is_named(client, headers, says):
    answer = client.post("/predict", content=PHOTO, headers=headers)
    assert answer.status_code == 415
    assert says in answer.json()["error"]
    assert client.post("/predict", content=PHOTO, headers={"content-encoding": "identity"}).status_code == 200


def test_an_upload_that_is_too_large_is_cut_off(export_folder):
    def endless():
        for _ in range(100):
            yield bytes(1000)

    with _limited(export_folder, max_bytes=len(PHOTO)) as client:
        for content in (PHOTO + b"\0", endless()):
            answer = client.post("/predict", content=content)
            assert answer.status_code == 413
            assert f"more than the limit of {len(PHOTO):,} bytes" in answer.json()["error"]
        assert client.post("/predict", content=PHOTO).status_code == 200
        assert _count(client, 'ferflow_rejected_total{reason="bytes"}') == 2


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (
            {"max_pixels": 480 * 360 - 1},
            "claims 480x360 pixels, more than the limit of 172799; make it smaller, or raise the limit",
        ),
        ({"max_faces": 1}, "shows 2 faces, more than the limit of 1"),
    ],
)
def test_pixels_and_faces_are_limited(export_folder, limits, reason):
    with _limited(export_folder, **limits) as client:
        answer = client.post("/predict", content=PHOTO)
        assert (answer.status_code, answer.json()["error"]) == (422, reason)


def test_more_requests_than_may_wait_are_turned_away(export_folder):
    gated = Gated(export_folder)
    with (
        running([gated], Limits(max_waiting=1)) as address,
        _client(address) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        waiting = [pool.submit(client.post, "/predict", content=PHOTO) for _ in range(2)]
        try:
            _await(lambda: _count(client, "ferflow_requests_in_flight") == 3)
            answer = client.post("/predict", content=PHOTO)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"].startswith("busy: 2 requests")
            assert client.get("/health").status_code == 200
        finally:
            gated.gate.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
        assert client.post("/predict", content=PHOTO).status_code == 200
        assert _count(client, 'ferflow_rejected_total{reason="busy"}') == 1


def test_a_request_that_takes_too_long_is_answered_and_keeps_its_place_until_it_is_done(export_folder):
    gated = Gated(export_folder)
    with running([gated], Limits(max_waiting=0, seconds=0.5)) as address, _client(address) as client:
        try:
            answer = client.post("/predict", content=PHOTO)
            assert (answer.status_code, "limit of 0.5 s" in answer.json()["error"]) == (503, True)
            assert "busy" in client.post("/predict", content=PHOTO).json()["error"]
        finally:
            gated.gate.set()
        _await(lambda: client.post("/predict", content=PHOTO).status_code == 200)


def _slow_upload(address: str) -> socket.socket:
    """A connection on which half a photo was sent."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=_SECONDS)
    head = f"POST /predict HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
    connection.sendall(head.encode() + PHOTO[: len(PHOTO) // 2])
    return connection


def _await(is_done) -> None:
    until = time.monotonic() + _SECONDS
    while not is_done():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_upload_that_stalls_or_breaks_off_gives_its_place_back(export_folder):
    with (
        running([Predictor(export_folder)], Limits(max_waiting=0, seconds=1)) as address,
        _client(address) as client,
    ):
        with _slow_upload(address) as stalled:
            assert stalled.recv(100).startswith(b"HTTP/1.1 503")
        with _slow_upload(address):
            _await(lambda: _count(client, "ferflow_requests_in_flight") == 2)
        _await(lambda: _count(client, 'ferflow_requests_total{code="400",route="/predict"}') == 1)
        assert client.post("/predict", content=PHOTO).status_code == 200


def test_an_answer_does_not_wait_in_the_kernel(client):
    # By Nagle's algorithm and delayed acknowledgements each but the first would take 40 ms and more.
    answers = [client.post("/predict", content=b"no picture") for _ in range(20)]
    assert min(answer.elapsed.total_seconds() for answer in answers[10:]) < 0.035


def test_health_and_model_tell_which_version_answers(client):
    health = client.get("/health").json()
    assert (health["status"], health["model_loaded"], health["model"]["version"]) == ("ok", True, "3")
    model = client.get("/model").json()
    assert (model["labels"], model["detector"]) == (list(EMOTIONS), "haar")


def test_requests_times_and_faces_are_counted(export_folder):
    with _limited(export_folder) as client:
        client.post("/predict", content=PHOTO)
        client.post("/predict", content=b"no picture")
        client.get("/nowhere")
        lines = client.get("/metrics").text.splitlines()
    assert 'ferflow_model_info{name="ferflow",sha256="' + "5" * 64 + '",version="3"} 1.0' in lines
    assert 'ferflow_requests_total{code="200",route="/predict"} 1.0' in lines
    assert 'ferflow_requests_total{code="422",route="/predict"} 1.0' in lines
    assert 'ferflow_requests_total{code="404",route="other"} 1.0' in lines
    assert 'ferflow_request_seconds_count{route="/predict"} 2.0' in lines
    assert "ferflow_faces_total 2.0" in lines


def test_a_time_is_counted_in_every_bucket_that_is_not_below_it():
    metrics = Metrics(name='odd "name"', version=None, sha256="5")
    for seconds in (0.005, 0.5, 60):
        metrics.request("/predict", 200, seconds)
    lines = metrics.text().decode().splitlines()
    counts = {bound: _bucket(lines, bound) for bound in ("0.005", "0.01", "0.3", "0.5", "30.0", "+Inf")}
    assert counts == {"0.005": 1, "0.01": 1, "0.3": 1, "0.5": 2, "30.0": 2, "+Inf": 3}
    assert 'ferflow_request_seconds_sum{route="/predict"} 60.505' in lines
    assert r'ferflow_model_info{name="odd \"name\"",sha256="5",version=""} 1.0' in lines
    (memory,) = (line.split()[1] for line in lines if line.startswith("process_resident_memory_bytes "))
    assert 10e6 < float(memory) < 50e9


def _bucket(lines: list[str], bound: str) -> float:
    start = f'ferflow_request_seconds_bucket{{le="{bound}",route="/predict"}} '
    return float(next(line.removeprefix(start) for line in lines if line.startswith(start)))


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"host": "["}, {"origin": "http://evil.example"}, {"origin": "null"}],
)
def test_other_names_and_other_pages_are_not_served(client, headers):
    answer = client.post("/predict", content=PHOTO, headers=headers)
    assert (answer.status_code, "not served" in answer.json()["error"]) == (403, True)


def test_own_pages_and_names_are_served(client):
    port = client.base_url.port
    headers = {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}
    assert client.post("/predict", content=PHOTO, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "code", "reason"),
    [
        ("GET", "/nothing", 404, "Not Found: GET /nothing"),
        ("GET", "/docs", 404, "Not Found"),
        ("GET", "/predict", 405, "Method Not Allowed: GET /predict"),
        ("POST", "/predict?whole=perhaps", 422, "whole is 'perhaps'"),
    ],
)
def test_wrong_requests_are_answered_in_words(client, method, address, code, reason):
    answer = client.request(method, address)
    assert (answer.status_code, reason in answer.json()["error"]) == (code, True)


def test_the_root_is_a_short_page_whose_links_are_there(client):
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "ferflow app" in page.text
    linked = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
    assert {"/page.css", "/health", "/model", "/metrics", "/openapi.json"} == set(linked)
    for address in linked:
        assert client.get(address).status_code == 200, address
    assert client.get("/page.js").status_code == 404


def test_every_answer_forbids_what_a_page_needs_not(client):
    for address in ("/health", "/nowhere"):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_the_command_says_where_it_is_and_ends_after_the_requests_in_flight(export_folder):
    process, address = started("serve", "--export", export_folder, "--port", 0)
    try:
        with _slow_upload(address) as connection, _client(address) as client:
            assert client.post("/predict", content=malformed_uploads()["bmp cut to 50 %"]).status_code == 422
            _await(lambda: _count(client, "ferflow_requests_in_flight") == 2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert process.poll() is None
            connection.sendall(PHOTO[len(PHOTO) // 2 :])
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        output, errors = process.communicate(timeout=_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_in_use_is_named_and_a_bad_export_is_found_before_it(export_folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = CliRunner().invoke(app, ["serve", "--export", str(export_folder), "--port", str(port)])
        assert isinstance(run.exception, ServiceError)
        assert f"port {port} of 127.0.0.1 is in use" in str(run.exception)
        run = CliRunner().invoke(app, ["app", "--export", str(tmp_path), "--port", str(port)])
        assert isinstance(run.exception, ModelError)


def test_the_commands_defaults_are_those_of_the_service():
    for command in (serve.serve, serve.app):
        options = inspect.signature(command).parameters
        defaults = {name: value for name, value in asdict(Limits()).items() if name in options}
        assert {name: options[name].default for name in defaults} == defaults
        assert options["host"].default == HOST
    assert len(asdict(Limits())) == len(asdict(Limits()).keys() & inspect.signature(serve.serve).parameters)


def test_listening_to_the_network_prints_a_warning(export_folder):
    process, address = started("serve", "--export", export_folder, "--port", 0, "--host", "0.0.0.0")  # noqa: S104
    try:
        port = urlsplit(address).port
        with _client(f"http://127.0.0.1:{port}") as client:
            assert client.get("/health").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=_SECONDS)
    assert errors.startswith("warning: listening on 0.0.0.0")
    assert process.returncode == 0


def test_workers_share_a_predictor_so_that_what_it_says_is_said_once(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FERFLOW_OFFLINE", "1")
    monkeypatch.setenv("FERFLOW_CACHE", str(tmp_path))
    answerers = Answerers(workers=3, device="cpu", detector=Path("auto"))
    predictors = serving._open_predictors(answerers, Limits())
    assert len(predictors) == 3
    assert capsys.readouterr().err.count("face detector: OpenCV's Haar cascade") == 1
    photos = [photo_of([(40, 60, 144)]), photo_of([(280, 150, 144)])] * 3
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(predictors[0].predict, photos))
    boxes = [[face.box for face in faces] for faces in found]
    assert boxes == boxes[:2] * 3
    assert len(boxes[0]) == len(boxes[1]) == 1
