"""Being let in: tokens, cookies, headers, proxies, and what must not travel unencrypted."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading

import pytest

from ferflow import redaction
from pipelines.connection import connect, credentials
from pipelines.errors import PipelineError
from pipelines.server import Cluster
from pipelines.settings import changed
from tests.local_server import listening


def _asked(settings) -> str:
    """The experiment that the server gives to who is let in."""
    return Cluster(settings.server).experiment()


@pytest.mark.parametrize("pasted", ["secret", "Bearer secret", "bearer  secret\n"])
def test_a_token_is_taken_with_or_without_the_word_before_it(server, settings, monkeypatch, pasted):
    server.token = "secret"  # noqa: S105
    monkeypatch.setenv("KFP_TOKEN", pasted)
    assert _asked(changed(settings, {"server.authentication": "token"})) == "experiment-1"


def test_a_token_that_a_server_repeats_is_not_shown(server, settings, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "s3cr3t-t0ken")
    server.refusal = (500, '{"message": "bad token s3cr3t-t0ken"}')
    with pytest.raises(PipelineError) as caught:
        _asked(changed(settings, {"server.authentication": "token"}))
    assert redaction.hide(str(caught.value)).endswith(
        "bad token ***); the log of its pod ml-pipeline says more"
    )


def test_a_cookie_lets_in_where_dex_sends_others_to_its_login_page(server, settings, monkeypatch):
    server.login = "/dex/auth"
    with pytest.raises(
        PipelineError, match=r"leads to a login page \(302\).*cookie with the cookie of a browser"
    ):
        _asked(settings)
    chosen = changed(settings, {"server.authentication": "cookie"})
    with pytest.raises(PipelineError, match=r"^KFP_COOKIE: is not set.*export KFP_COOKIE with the cookie"):
        _asked(chosen)
    monkeypatch.setenv("KFP_COOKIE", "oauth2_proxy=abc")
    _asked(chosen)


def test_headers_let_in_behind_a_gateway(server, settings, monkeypatch):
    server.headers = {"Proxy-Authorization": "Bearer abc"}
    monkeypatch.setenv("IAP_HEADER", "Bearer abc")
    content = settings.model_dump(by_alias=True)["server"] | {
        "authentication": "headers",
        "headers": {"Proxy-Authorization": "IAP_HEADER"},
    }
    assert _asked(changed(settings, {"server": content})) == "experiment-1"


def test_a_value_with_line_breaks_is_refused_without_being_shown(settings, monkeypatch):
    monkeypatch.setenv("KFP_COOKIE", "a=b\r\nX-Evil: hidden")
    with pytest.raises(PipelineError) as caught:
        credentials(changed(settings, {"server.authentication": "cookie"}).server)
    assert "KFP_COOKIE: holds line breaks" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_token_does_not_travel_unencrypted_to_another_host(settings, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "secret")
    far = {"server.host": "http://kubeflow.example", "server.authentication": "token"}
    with pytest.raises(
        PipelineError, match=r"would travel there unencrypted; use an https:// address"
    ) as caught:
        connect(changed(settings, far).server)
    assert "secret" not in str(caught.value)
    connect(changed(settings, {**far, "server.insecure": True}).server)
    connect(changed(settings, {**far, "server.host": "https://kubeflow.example"}).server)
    connect(changed(settings, {"server.host": "http://kubeflow.example"}).server)  # Nothing to protect.


class _Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))  # type: ignore[attr-defined]
        content = b'{"experiments": [{"experiment_id": "7", "display_name": "ferflow"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        """Print nothing."""


@pytest.fixture
def proxy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.asked = []  # type: ignore[attr-defined]
    with listening(server):
        yield server


def test_a_proxy_of_the_environment_or_of_the_settings_is_used(settings, proxy, monkeypatch):
    address = f"127.0.0.1:{proxy.server_port}"
    far = {"server.host": "http://kubeflow.internal:8080"}
    assert Cluster(changed(settings, {**far, "server.proxy": f"http://{address}"}).server).experiment() == "7"
    monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@{address}")
    assert Cluster(changed(settings, far).server).experiment() == "7"
    asked = [path for path, _ in proxy.asked]
    assert all(path.startswith("http://kubeflow.internal:8080/apis/v2beta1/experiments") for path in asked)
    assert [who for _, who in proxy.asked] == [None, "Basic bWU6cEBzcw=="]


def test_a_proxy_that_does_not_answer_is_the_one_that_is_named(settings, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://me:hidden@127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    far = changed(settings, {"server.host": "http://kubeflow.internal:8080"})
    with pytest.raises(PipelineError, match=r"the proxy in between, http://127\.0\.0\.1:9, cannot") as caught:
        Cluster(far.server).experiment()
    assert "hidden" not in str(caught.value)


def test_a_host_in_no_proxy_is_asked_directly(server, settings, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match=r"cannot be reached.*HTTPS_PROXY.*NO_PROXY"):
        _asked(settings)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _asked(settings)


def test_a_proxy_of_another_kind_is_named_without_its_password(settings, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://me:hidden@proxy.example:1080")
    with pytest.raises(PipelineError, match=r"has scheme 'socks5'.*HTTP_PROXY") as caught:
        connect(settings.server)
    assert "hidden" not in str(caught.value)


def test_https_to_a_server_without_tls_says_so(server, settings):
    host = server.host.replace("http://", "https://")
    with pytest.raises(PipelineError, match=r"answers without TLS; write http://"):
        _asked(changed(settings, {"server.host": host}))


def test_a_certificate_that_nobody_signed_names_the_setting(settings, tmp_path):
    certificate = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    host = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(PipelineError, match=r"TLS certificate is not trusted .*server.ca_certificate"):
        _asked(changed(settings, {"server.host": host}))
    thread.join()
    listener.close()


def test_a_certificate_file_that_is_not_there_is_named(settings):
    absent = changed(settings, {"server.ca_certificate": "/absent/ca.pem"})
    with pytest.raises(PipelineError, match=r"^/absent/ca.pem: not found, but server.ca_certificate"):
        connect(absent.server)


def _self_signed(folder) -> str:
    """A certificate and its key in one PEM file, made by the openssl command."""
    import subprocess

    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            *subject,
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return str(both)
