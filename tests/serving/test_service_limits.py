"""What a service takes no more of: bytes, pixels, faces, waiting requests, seconds."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from ferflow import Predictor
from ferflow.cli import serve
from ferflow.serving.limits import Limits
from ferflow.serving.server import HOST
from tests.serving.clients import PHOTO, client_of, counted, limited, slow_upload, wait_until
from tests.serving.running import Gated, running


def test_an_upload_that_is_too_large_is_cut_off(export_folder):
    def endless():
        for _ in range(100):
            yield bytes(1000)

    with limited(export_folder, max_bytes=len(PHOTO)) as client:
        for content in (PHOTO + b"\0", endless()):
            answer = client.post("/predict", content=content)
            assert answer.status_code == 413
            assert f"more than the limit of {len(PHOTO):,} bytes" in answer.json()["error"]
        assert client.post("/predict", content=PHOTO).status_code == 200
        assert counted(client, 'ferflow_rejected_total{reason="bytes"}') == 2


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
    with limited(export_folder, **limits) as client:
        answer = client.post("/predict", content=PHOTO)
        assert (answer.status_code, answer.json()["error"]) == (422, reason)


def test_more_requests_than_may_wait_are_turned_away(export_folder):
    gated = Gated(export_folder)
    with (
        running([gated], Limits(max_waiting=1)) as address,
        client_of(address) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        waiting = [pool.submit(client.post, "/predict", content=PHOTO) for _ in range(2)]
        try:
            wait_until(lambda: counted(client, "ferflow_requests_in_flight") == 3)
            answer = client.post("/predict", content=PHOTO)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"].startswith("busy: 2 requests")
            assert client.get("/health").status_code == 200
        finally:
            gated.gate.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
        assert client.post("/predict", content=PHOTO).status_code == 200
        assert counted(client, 'ferflow_rejected_total{reason="busy"}') == 1


def test_a_request_that_takes_too_long_is_answered_and_keeps_its_place_until_it_is_done(export_folder):
    gated = Gated(export_folder)
    with running([gated], Limits(max_waiting=0, seconds=0.5)) as address, client_of(address) as client:
        try:
            answer = client.post("/predict", content=PHOTO)
            assert (answer.status_code, "limit of 0.5 s" in answer.json()["error"]) == (503, True)
            assert "busy" in client.post("/predict", content=PHOTO).json()["error"]
        finally:
            gated.gate.set()
        wait_until(lambda: client.post("/predict", content=PHOTO).status_code == 200)


def test_an_upload_that_stalls_or_breaks_off_gives_its_place_back(export_folder):
    with (
        running([Predictor(export_folder)], Limits(max_waiting=0, seconds=1)) as address,
        client_of(address) as client,
    ):
        with slow_upload(address) as stalled:
            assert stalled.recv(100).startswith(b"HTTP/1.1 503")
        with slow_upload(address):
            wait_until(lambda: counted(client, "ferflow_requests_in_flight") == 2)
        wait_until(lambda: counted(client, 'ferflow_requests_total{code="400",route="/predict"}') == 1)
        assert client.post("/predict", content=PHOTO).status_code == 200


def test_the_commands_defaults_are_those_of_the_service():
    for command in (serve.serve, serve.app):
        options = inspect.signature(command).parameters
        defaults = {name: value for name, value in asdict(Limits()).items() if name in options}
        assert {name: options[name].default for name in defaults} == defaults
        assert options["host"].default == HOST
    assert len(asdict(Limits())) == len(asdict(Limits()).keys() & inspect.signature(serve.serve).parameters)
