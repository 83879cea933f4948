"""What comes before every route: whose requests are taken, headers that browsers obey, counting."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ferflow import heavy
from ferflow.serving.limits import Refused
from ferflow.serving.metrics import Metrics

if TYPE_CHECKING:
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page loads nothing from elsewhere, and no other page may show it or read its answers.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
# Asked by the address of a pod or machine, which nobody knows beforehand; they hold nothing of pictures.
_PROBES = ("/health", "/metrics")
_ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """ASGI middleware.

    Args:
        app: The application that it protects.
        hosts: Names by which the service may be called, in small letters; a page that has another name
            point to this machine gets nothing.
        routes: Paths that are counted by name; all others count as `other`.
        metrics: Where requests are counted.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], routes: Collection[str], metrics: Metrics
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._routes = routes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        code = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                message["headers"] = [*message.get("headers", ()), *_ENCODED]
            await send(message)

        try:
            with self._metrics.in_flight.track_inprogress():
                await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._metrics.request(route, code, time.monotonic() - started)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """The answer to a request by another name, or from another page; None to all others."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        is_probe = scope["path"] in _PROBES and b"origin" not in headers
        if is_probe:
            return None
        if _name_of(f"//{host}") not in self._hosts:
            reason = f"host {host!r} is not served here, expected {' or '.join(sorted(self._hosts))}"
        elif _name_of(headers.get(b"origin", f"//{host}")) not in self._hosts:
            reason = f"requests of pages at {headers[b'origin']!r} are not served"
        else:
            return None
        self._metrics.rejected("host")
        return as_response(Refused(403, reason))


def as_response(refused: Refused) -> heavy.starlette.responses.JSONResponse:
    """A refusal as JSON: `{"error": reason}`."""
    headers = {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}
    return heavy.starlette.responses.JSONResponse({"error": refused.reason}, refused.code, headers)


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
