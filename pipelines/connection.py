"""The client of Kubeflow Pipelines: who asks, through which proxy, and what may travel unencrypted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from ferflow import redaction
from pipelines.errors import PipelineError
from pipelines.sections import Server

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def connect(server: Server) -> Any:
    """A client of kfp-server-api for a server.

    Args:
        server: Where it is and how to be let in.

    Raises:
        PipelineError: A credential is not there or would travel unencrypted, or the certificate's file
            is missing.
    """
    import kfp_server_api

    configuration = kfp_server_api.Configuration(host=server.host.rstrip("/"))
    # A client of its own, without the retries: someone waits.
    configuration.retries = False
    if server.ca_certificate is not None and not Path(server.ca_certificate).is_file():
        raise PipelineError(
            f"{server.ca_certificate}: not found, but server.ca_certificate in pipelines/config.yaml names "
            "it; give the file of the authority's certificate (PEM), or null"
        )
    configuration.ssl_ca_cert = server.ca_certificate
    configuration.proxy, configuration.proxy_headers = proxy_of(server)
    wanted = credentials(server)
    for value in wanted.values():
        redaction.register(value)
        redaction.register(value.removeprefix("Bearer "))
    if wanted:
        _check_encryption(server)
    client = kfp_server_api.ApiClient(configuration)
    for header, value in wanted.items():
        client.set_default_header(header, value)
    return client


def credentials(server: Server) -> dict[str, str]:
    """The headers that say who asks.

    Raises:
        PipelineError: What the settings name is not there.
    """
    if server.authentication == "token":
        return _bearer(_variable(server, server.token_variable, "a token of the cluster"))
    if server.authentication == "cookie":
        wanted = "the cookie of a browser that is logged in, such as 'oauth2_proxy=...'"
        return {"Cookie": _variable(server, server.cookie_variable, wanted)}
    if server.authentication == "headers":
        return {
            header: _variable(server, variable, f"the value of header {header}")
            for header, variable in server.headers.items()
        }
    if server.authentication == "service_account":
        try:
            return _bearer(Path(server.token_file).read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise PipelineError(
                f"{server.token_file}: cannot be read ({type(error).__name__}), but server.authentication in "
                "pipelines/config.yaml is service_account; run this in a pod that mounts the token, or use "
                "authentication: token"
            ) from error
    return {}


def _bearer(token: str) -> dict[str, str]:
    """The header of a token, which is often copied together with the word before it."""
    word, _, rest = token.partition(" ")
    return {"Authorization": f"Bearer {rest.strip() if word.lower() == 'bearer' else token}"}


def _variable(server: Server, name: str, wanted: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise PipelineError(
            f"{name}: is not set, but server.authentication in pipelines/config.yaml is "
            f"{server.authentication}; export {name} with {wanted}"
        )
    if not value.isprintable():
        raise PipelineError(
            f"{name}: holds line breaks or control characters, so it is no {server.authentication}; export "
            f"{wanted} in one line"
        )
    return value


def _check_encryption(server: Server) -> None:
    parts = urlsplit(server.host)
    if parts.scheme == "https" or parts.hostname in _THIS_MACHINE or server.insecure:
        return
    raise PipelineError(
        f"{server.host}: a {server.authentication.replace('_', ' ')} would travel there unencrypted; use an "
        "https:// address or a port-forward, or set server.insecure: true in pipelines/config.yaml if the "
        "network between is yours"
    )


def proxy_of(server: Server) -> tuple[str | None, Any]:
    """Address and headers of the proxy in between; None without one."""
    parts = urlsplit(server.host)
    address = server.proxy
    if address is None:
        address = getproxies().get(parts.scheme) or getproxies().get("all")
        if address is None or proxy_bypass(parts.netloc):
            return None, None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise PipelineError(
            f"the proxy for {server.host} has scheme {proxy.scheme!r}, expected http://HOST:PORT; mend "
            f"{parts.scheme.upper()}_PROXY or server.proxy in pipelines/config.yaml, or add the host to "
            "NO_PROXY"
        )
    from urllib3 import make_headers

    _, _, place = proxy.netloc.rpartition("@")
    who = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    headers = make_headers(proxy_basic_auth=who) if proxy.username else None
    return urlunsplit((proxy.scheme, place, "", "", "")), headers
