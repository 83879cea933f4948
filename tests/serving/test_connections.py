"""Slow, idle and greedy clients: none of them keeps an ordinary one from being answered."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from ferflow import Predictor
from ferflow.serving import connections
from ferflow.serving.limits import Limits, Refused
from ferflow.serving.workers import Workers
from tests.serving.clients import client_of, counted
from tests.serving.pictures import photo_of
from tests.serving.running import running
from tests.source_files import encoded

PHOTO = encoded(photo_of([(40, 60, 144)]), ".png")
_SECONDS = 20
_MOST = 16


@contextmanager
def _service(export_folder, **limits):
    """The address of a service with one worker."""
    with running([Predictor(export_folder)], Limits(**limits)) as address:
        yield address


def _send(address: str, content: bytes) -> socket.socket:
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=_SECONDS)
    connection.sendall(content)
    return connection


def _half_head(address: str) -> socket.socket:
    return _send(address, b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")


def _body(address: str, content: bytes, *, asks: bool = False) -> socket.socket:
    """A connection with the start of an upload; `asks`: the server says when it awaits the rest."""
    lines = ["POST /predict HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1000000"]
    head = "\r\n".join([*lines, *(["Expect: 100-continue"] if asks else []), "", ""])
    return _send(address, head.encode() + content)


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes; waiting fails after 20 s."""
    found = b""
    try:
        while part := connection.recv(1000):
            found += part
    except ConnectionResetError:
        pass
    return found


def _is_answered(address: str) -> bool:
    answer = httpx.post(f"{address}/predict", content=PHOTO, timeout=_SECONDS)
    return answer.status_code == 200 and len(answer.json()["faces"]) == 1


def test_half_a_head_is_closed_however_steadily_it_drips(export_folder):
    with _service(export_folder, head_seconds=0.5) as address, _half_head(address) as connection:
        connection.settimeout(0.05)
        closed = False
        until = time.monotonic() + _SECONDS
        while not closed and time.monotonic() < until:
            try:
                connection.sendall(b"x")
                closed = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed


def test_a_connection_that_does_nothing_after_its_answer_is_closed(export_folder):
    with _service(export_folder, head_seconds=0.5) as address:
        with _send(address, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as connection:
            assert _rest(connection).startswith(b"HTTP/1.1 200")
        # The rest of a body that nobody waits for does not keep it open.
        request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nx"
        with _send(address, request) as connection:
            assert _rest(connection).startswith(b"HTTP/1.1 200")


def test_more_half_heads_than_connections_leave_room_for_others(export_folder):
    with _service(export_folder, max_connections=_MOST) as address, ExitStack() as stack:
        for _ in range(5 * _MOST):
            stack.enter_context(_half_head(address))
        assert httpx.get(f"{address}/health", timeout=_SECONDS).status_code == 200
        assert _is_answered(address)


def test_where_all_connections_are_at_work_a_new_one_is_told_so(export_folder):
    with _service(export_folder, max_connections=_MOST) as address:
        with ExitStack() as stack:
            for _ in range(_MOST):
                assert (
                    stack.enter_context(_body(address, b"", asks=True)).recv(100).startswith(b"HTTP/1.1 100")
                )
            answer = _rest(stack.enter_context(_send(address, b"")))
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"too many connections" in answer
        assert _is_answered(address)


def test_a_body_without_progress_is_refused(export_folder):
    with _service(export_folder, body_seconds=0.3) as address:
        with _body(address, b"x") as connection:
            connection.settimeout(_SECONDS)
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        with client_of(address) as client:
            assert counted(client, 'ferflow_rejected_total{reason="slow"}') == 1
        assert _is_answered(address)


def test_a_body_that_drips_is_refused_too(export_folder):
    with _service(export_folder, body_seconds=0.4) as address, _body(address, b"x") as connection:
        connection.settimeout(0.05)
        found = b""
        until = time.monotonic() + _SECONDS
        while not found and time.monotonic() < until:
            connection.sendall(b"x")
            try:
                found = connection.recv(100)
            except TimeoutError:
                continue
        assert found.startswith(b"HTTP/1.1 408")


def test_uploads_on_their_way_take_no_place_among_those_that_wait(export_folder):
    with _service(export_folder, max_waiting=0) as address, ExitStack() as stack:
        for _ in range(18):
            stack.enter_context(_body(address, b"x"))
        assert _is_answered(address)


def test_stalled_uploads_make_room_for_one_that_moves(export_folder):
    half = 600_000
    with _service(export_folder, max_buffered=1_000_000) as address:
        with _body(address, bytes(half)) as stalled:
            until = time.monotonic() + _SECONDS
            found = b""
            while not found and time.monotonic() < until:
                with _body(address, bytes(half)) as moving:
                    stalled.settimeout(1)
                    moving.settimeout(_SECONDS)
                    try:
                        found = stalled.recv(100)
                    except TimeoutError:
                        continue
            assert found.startswith(b"HTTP/1.1 503")
        with client_of(address) as client:
            assert counted(client, 'ferflow_rejected_total{reason="buffered"}') >= 1
        assert _is_answered(address)


def test_a_client_with_many_requests_makes_room_for_another_one():
    class Idle:
        """A predictor that is never free."""

    async def scene() -> list[object]:
        release = asyncio.Event()
        workers = Workers([Idle()], Limits(max_waiting=2))  # type: ignore[list-item]
        loop = asyncio.get_running_loop()

        async def ask(client: str) -> object:
            with workers.admitted(client) as place:
                try:
                    return await workers.run(
                        lambda _: asyncio.run_coroutine_threadsafe(release.wait(), loop).result(), place
                    )
                except Refused as refused:
                    return refused.reason

        greedy = [asyncio.ensure_future(ask("greedy")) for _ in range(3)]
        await asyncio.sleep(0.1)
        other = asyncio.ensure_future(ask("other"))
        await asyncio.sleep(0.1)
        with pytest.raises(Refused, match="busy: 3 requests"), workers.admitted("greedy"):
            pass
        release.set()
        results = await asyncio.gather(*greedy, other)
        workers.close()
        return results

    *greedy, other = asyncio.run(scene())
    assert other is True
    assert greedy[:2] == [True, True]
    assert "another client" in str(greedy[2])


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_probes_are_answered_by_whatever_name(export_folder, path):
    """Kubernetes asks by the pod's address, Prometheus likewise."""
    with _service(export_folder) as address:
        for host in ("10.4.0.17:8000", "evil.example", "["):
            answer = httpx.get(f"{address}{path}", headers={"host": host}, timeout=_SECONDS)
            assert answer.status_code == 200
            assert httpx.get(f"{address}/model", headers={"host": host}, timeout=_SECONDS).status_code == 403
        page = {"host": "10.4.0.17", "origin": "http://evil.example"}
        assert httpx.get(f"{address}{path}", headers=page, timeout=_SECONDS).status_code == 403


def test_the_server_writes_few_records(caplog):
    logger = logging.getLogger("a server of many errors")
    logger.addFilter(connections.FewRecords())
    for number in range(1000):
        logger.error("failed %s", number)
    assert len(caplog.records) == 20
    assert caplog.records[-1].getMessage() == "failed 19 (more of these are left out for 60 s)"


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [(1024, 4096, 512), (256, 256, 64), (64, 64, 16), (256, 100_000, 512), (-1, -1, 512)],
)
def test_connections_are_as_many_as_there_may_be_open_files(monkeypatch, soft, hard, most):
    import resource

    given = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(given))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: given.__setitem__(slice(0, 2), pair))
    limits = Limits()
    found = connections.file_limit(limits.max_connections + connections.RESERVED_FILES)
    assert connections.Connections(limits, max_files=found).most == most
    assert given[1] == hard
