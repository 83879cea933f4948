"""Stores that cannot be used: each way has its own true cure, in every command that talks to a store."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ferflow.cli import registry, tracking
from ferflow.errors import TrackingError
from ferflow.tracking import store
from ferflow.tracking.address import check_address, shown
from ferflow.tracking.diagnosis import explain
from tests.tracking.misbehaving import answer, misbehaving

_PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"
_JSON = "application/json"

# What a server answers, to signs of the message.
_ANSWERS = {
    "401": (
        answer("401 Unauthorized", "Unauthorized"),
        ["(401)", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"],
    ),
    "401 page": (answer("401 Unauthorized", _PAGE), ["(401)", "MLFLOW_TRACKING_PASSWORD"]),
    "401 JSON": (
        answer("401 Unauthorized", '{"error_code": "UNAUTHENTICATED", "message": "no"}', _JSON),
        ["(401)", "MLFLOW_TRACKING_USERNAME"],
    ),
    "403": (answer("403 Forbidden", "Forbidden"), ["(403)", "--allowed-hosts", "owner"]),
    "403 JSON": (
        answer("403 Forbidden", '{"error_code": "PERMISSION_DENIED", "message": "no"}', _JSON),
        ["(403)", "owner"],
    ),
    "404": (answer("404 Not Found", _PAGE), ["nothing of MLflow", "(404)", "MLFLOW_TRACKING_URI"]),
    "407": (answer("407 Proxy Authentication Required", ""), ["(407)", "NO_PROXY"]),
    "413": (answer("413 Request Entity Too Large", _PAGE), ["(413)", "client_max_body_size"]),
    "429": (answer("429 Too Many Requests", "slow down"), ["(429)", "wait"]),
    "500": (answer("500 Internal Server Error", "broken"), ["the server fails", "log"]),
    "502": (answer("502 Bad Gateway", _PAGE), ["the server fails", "log"]),
    "login page": (answer("200 OK", _PAGE), ["login page", "MLFLOW_TRACKING_TOKEN"]),
    "text": (answer("200 OK", "hello", "text/plain"), ["none of MLflow's", "MLFLOW_TRACKING_URI"]),
    "a list": (answer("200 OK", "[1, 2]", _JSON), ["none of MLflow's", "MLFLOW_TRACKING_URI"]),
    "a number for a name": (
        answer("200 OK", '{"experiment": {"name": 7, "experiment_id": {"a": 1}}}', _JSON),
        ["none of MLflow's", "MLFLOW_TRACKING_URI"],
    ),
    "a list for tags": (answer("200 OK", '{"experiment": [[]]}', _JSON), ["none of MLflow's"]),
    "deep": (answer("200 OK", "[" * 100_000, _JSON), ["none of MLflow's"]),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", ["speaks no HTTP", "scheme and port"]),
    "closed": (b"", ["closed the connection", "scheme and port"]),
    "wants TLS": (
        answer("400 Bad Request", "Client sent an HTTP request to an HTTPS server."),
        ["speaks TLS", "https:// in MLFLOW_TRACKING_URI"],
    ),
    "half an answer": (
        answer("200 OK", "{}").replace(b"Length: 2", b"Length: 200"),
        ["closed the connection", "scheme and port"],
    ),
    "redirect": (
        answer("302 Found", "", Location="https://me:planted@sso.example/login?next=planted"),
        ["sends elsewhere (302), to https://sso.example/login", "login page"],
    ),
    "moved": (
        answer("308 Permanent Redirect", "", Location="https://store.example/api/2.0/mlflow/x"),
        ["sends elsewhere (308), to https://store.example", "write its address"],
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    store.load_mlflow()


def _message(action) -> str:
    with pytest.raises(TrackingError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("name", _ANSWERS)
def test_each_answer_has_its_own_cure(name: str, tmp_path: Path, monkeypatch):
    content, signs = _ANSWERS[name]
    with misbehaving(content) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:planted@127.0.0.1:{port}")
        message = _message(lambda: store.client(tmp_path))
    assert message.startswith(f"http://127.0.0.1:{port}: ")
    for sign in signs:
        assert sign in message, message
    assert "planted" not in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    "command",
    [
        registry.list_versions,
        registry.rollback,
        lambda: registry.compare(runs=None, last=2, output=Path("page.html")),
        lambda: registry.ui(port=5000),
        lambda: registry.register(run="abcd", force=False, params=_PARAMS),
        tracking.sync,
    ],
    ids=["registry list", "registry rollback", "compare", "ui", "register", "track sync"],
)
def test_every_command_names_the_cure(command, monkeypatch):
    with misbehaving(_ANSWERS["401"][0]) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        assert "MLFLOW_TRACKING_USERNAME" in _message(command)


_PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_a_password_that_is_refused_is_named_by_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted")
    with misbehaving(_ANSWERS["401"][0]) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        message = _message(lambda: store.client(tmp_path))
    assert "does not accept" in message
    assert "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in message


def test_https_to_a_server_without_tls_says_so(tmp_path, monkeypatch):
    with misbehaving(_ANSWERS["404"][0]) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:planted@127.0.0.1:{port}")
        message = _message(lambda: store.client(tmp_path))
    assert "speaks no TLS" in message
    assert "http:// in MLFLOW_TRACKING_URI" in message
    assert "planted" not in message


def test_a_setting_of_mlflow_that_is_no_number_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{_closed_port()}")
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT is 'soon'" in _message(lambda: store.client(tmp_path))


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("uri", "signs"),
    [
        ("http://127.0.0.1:1", ["connection refused", "start the server"]),
        ("http://no-such-host.invalid", ["no such host", "MLFLOW_TRACKING_URI"]),
        ("http://me:planted@host:99999", ["port from 1 to 65535"]),
        ("http://host:planted", ["port from 1 to 65535"]),
        ("http://host:0", ["its port is 0"]),
        ("http://", ["names no host"]),
        ("http://[::1", ["host or port cannot be read"]),
        ("http://me:pla/nted@host", ["names no host", "host or port"]),
        ("file:///tmp/mlruns", ["folder of files", "unset it to use mlruns/mlflow.db"]),
        ("./mlruns", ["folder of files"]),
        ("/data/mlruns", ["folder of files"]),
        ("mlruns", ["folder of files"]),
        ("C:\\mlruns", ["folder of files"]),
        ("ftp://me:planted@host/x", ["ftp:// found", "expected http://"]),
        ("postgresql://me:planted@127.0.0.1:1/runs", ["connection refused"]),
        ("postgresql://me:pla#nted@127.0.0.1:port/runs", ["no address of a database", "%23"]),
        ("mysql://me:planted@127.0.0.1/runs", ["driver", "not installed", "mysqlclient"]),
        ("databricks", ["Databricks is not set up here", "DATABRICKS_HOST"]),
    ],
)  # fmt: skip
def test_each_address_that_is_wrong_has_its_own_cure(uri, signs, tmp_path, monkeypatch):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    message = _message(lambda: store.client(tmp_path))
    assert any(sign in message for sign in signs), message
    assert all(part not in message for part in ("planted", "nted", "pla/", "pla#")), message
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://token@host:80/path", "http://host:80/path"),
        ("https://me:secret@[::1]:8443/", "https://[::1]:8443/"),
        ("postgresql://me:a/b@host:5432/runs?password=secret", "postgresql://me@host:5432/runs"),
        ("postgresql://me:a#b@host/runs", "postgresql://me@host/runs"),
        ("sqlite:////tmp/a%3Fb.db?timeout=60", "sqlite:////tmp/a?b.db"),
        ("http://me:a/b@host", "http://..."),
        ("other://me:secret@host", "other://..."),
    ],
)
def test_an_address_is_printed_without_what_is_secret(uri, expected):
    assert shown(uri) == expected


@pytest.mark.parametrize(
    "uri", ["http://h", "https://u:p@h:1/x", "postgresql+psycopg://h/x", "sqlite:///x.db"]
)
def test_an_address_that_can_be_one_passes(uri):
    check_address(uri)


def _of_response(status: int) -> Exception:
    """What MLflow raises where a file could not be sent."""
    import requests

    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Client Error: x for url: http://me:planted@h/a", response=response)


def _of_database(text: str) -> Exception:
    from sqlalchemy.exc import OperationalError

    return OperationalError("SELECT 1", {}, Exception(text))


def _of_mlflow(text: str) -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException(text)


@pytest.mark.parametrize(
    ("make", "argument", "sign"),
    [
        (_of_response, 401, "MLFLOW_TRACKING_USERNAME"),
        (_of_response, 403, "--allowed-hosts"),
        (_of_response, 413, "client_max_body_size"),
        (_of_response, 504, "read its log"),
        (_of_response, 507, "free some space"),
        (_of_mlflow, "Caused by ResponseError('too many 503 error responses')", "read its log"),
        (_of_mlflow, "[SSL: CERTIFICATE_VERIFY_FAILED]", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        (_of_mlflow, "('Connection aborted.', ConnectionResetError(104))", "scheme and port"),
        (_of_mlflow, "[Errno 113] No route to host", "VPN"),
        (_of_mlflow, "('Unable to connect to proxy', OSError('Tunnel connection failed: 403'))", "NO_PROXY"),
        (_of_mlflow, "Detected out-of-date database schema (found version a)", "mlflow db upgrade"),
        (_of_database, 'FATAL: password authentication failed for user "me"', "%2F"),
        (_of_database, 'FATAL: database "runs" does not exist', "create it"),
        (_of_database, "FATAL: no pg_hba.conf entry for host", "owner"),
        (_of_database, "FATAL: sorry, too many clients already", "wait"),
        (_of_database, "database is locked", "wait until it ends"),
        (_of_database, "attempt to write a readonly database", "right to write"),
        (_of_database, "database or disk is full", "free some space"),
        (_of_database, "database disk image is malformed", "put a copy of it back"),
        (_of_database, "unable to open database file", "folder is there"),
        (OSError, "[Errno 28] No space left on device", "free some space"),
        (ModuleNotFoundError, "No module named 'psycopg'", "ferflow[tracking]"),
        (AttributeError, "'list' object has no attribute 'get'", "none of MLflow's"),
    ],
)  # fmt: skip
def test_what_libraries_say_has_a_cure_of_its_own(make, argument, sign):
    found = explain(make(argument), "http://me:planted@h")
    assert sign in f"{found.found}; {found.cure}"
    assert "planted" not in f"{found.found}; {found.cure}"


def test_what_nobody_knows_is_told_without_the_password():
    found = explain(_of_mlflow("it broke at http://me:planted@h/x"), "http://me:planted@h")
    assert "it broke at http://h/x" in found.found
    assert "MLFLOW_TRACKING_URI" in found.cure
