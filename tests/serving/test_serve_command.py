"""The commands that serve: where they are, how they end, what they say."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import ModelError, ServiceError
from ferflow.serving.limits import Limits
from ferflow.workflows import serve as serving
from ferflow.workflows.serve import Answerers
from tests.serving.clients import PHOTO, SECONDS, client_of, counted, slow_upload, wait_until
from tests.serving.malformed import malformed_uploads
from tests.serving.pictures import photo_of
from tests.serving.running import started


def test_the_command_says_where_it_is_and_ends_after_the_requests_in_flight(export_folder):
    process, address = started("serve", "--export", export_folder, "--port", 0)
    try:
        with slow_upload(address) as connection, client_of(address) as client:
            assert client.post("/predict", content=malformed_uploads()["bmp cut to 50 %"]).status_code == 422
            wait_until(lambda: counted(client, "ferflow_requests_in_flight") == 2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert process.poll() is None
            connection.sendall(PHOTO[len(PHOTO) // 2 :])
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        output, errors = process.communicate(timeout=SECONDS)
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


def test_listening_to_the_network_prints_a_warning(export_folder):
    process, address = started("serve", "--export", export_folder, "--port", 0, "--host", "0.0.0.0")  # noqa: S104
    try:
        port = urlsplit(address).port
        with client_of(f"http://127.0.0.1:{port}") as client:
            assert client.get("/health").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
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
