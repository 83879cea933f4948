"""Pictures and videos from the web, within bounds of size and time."""

from __future__ import annotations

import base64
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ferflow.errors import BadImageError

_WEB = ("http", "https")
_STREAMS = ("rtmp", "rtsp", "rtsps")
_CHUNK_BYTES = 1 << 16
_SILENCE = 15.0  # seconds
# Largest file and longest time in seconds: of pictures, and of videos.
PICTURE_BOUNDS = (200_000_000, 60.0)
VIDEO_BOUNDS = (2_000_000_000, 900.0)


def is_address(text: str) -> bool:
    """It begins as an address on the network, whatever its kind."""
    scheme, sign, _ = text.partition("://")
    return bool(sign) and scheme.isascii() and scheme.replace("+", "").isalnum()


def is_web(address: str) -> bool:
    """It is fetched with `fetch`."""
    return _scheme(address) in _WEB


def is_stream(address: str) -> bool:
    """It is a camera or a server that sends a video without end."""
    return _scheme(address) in _STREAMS


def kinds() -> str:
    """The kinds of addresses that can be read, for messages."""
    return ", ".join(f"{scheme}://" for scheme in (*_WEB, *_STREAMS))


def without_password(address: str) -> str:
    """The address as it is printed: no user name, no password, no query, which may hold a key."""
    parts = _split(address)
    if parts is None:
        return address.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def file_name(address: str) -> str:
    """The last part of an address that can be a file's name; the host where it has none."""
    parts = _split(address)
    if parts is None:
        return "address"
    last = unquote(parts.path.rstrip("/").rpartition("/")[2])
    name = last or parts.netloc.rpartition("@")[2]
    return "".join("_" if sign in '/\\:*?"<>|' or not sign.isprintable() else sign for sign in name).lstrip(
        "."
    )


def fetch(address: str, target: Path, *, bounds: tuple[int, float]) -> None:
    """Fetch a file from the web.

    Args:
        address: The http or https address; redirects are followed to such addresses only.
        target: The file that is written.
        bounds: Most bytes, and most seconds.

    Raises:
        BadImageError: It cannot be fetched, or is beyond the bounds; the message names the address.
    """
    name = without_password(address)
    try:
        with (
            closing(_opener().open(_request(address), timeout=_SILENCE)) as response,
            target.open("wb") as file,
        ):
            for chunk in _chunks(response, name, bounds):
                file.write(chunk)
    except urllib.error.HTTPError as error:
        error.close()  # It is the server's answer as well, with its socket.
        raise BadImageError(
            f"{name}: the server answers {error.code} {error.reason}; see the address"
        ) from error
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BadImageError(
            f"{name}: cannot be fetched ({reason}); see the address and the network, or download it by hand"
        ) from error


def _chunks(response: Any, name: str, bounds: tuple[int, float]) -> Iterator[bytes]:
    most_bytes, most_seconds = bounds
    ends = time.monotonic() + most_seconds
    claimed = response.headers.get("Content-Length", "")
    num_bytes = int(claimed) if claimed.isascii() and claimed.isdecimal() else 0
    if num_bytes > most_bytes:
        raise BadImageError(f"{name}: has {num_bytes:,} bytes, more than the limit of {most_bytes:,}")
    received = 0
    while chunk := response.read1(_CHUNK_BYTES):
        received += len(chunk)
        if received > most_bytes:
            raise BadImageError(f"{name}: has more than the limit of {most_bytes:,} bytes")
        if time.monotonic() > ends:
            raise BadImageError(
                f"{name}: took longer than the limit of {most_seconds:.0f} s; download it by hand"
            )
        yield chunk
    if received < num_bytes:
        raise BadImageError(f"{name}: ended after {received:,} of {num_bytes:,} bytes; try again")


def _opener() -> urllib.request.OpenerDirector:
    """One that knows the web only: no local files, no FTP, wherever a redirect leads."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _request(address: str) -> urllib.request.Request:
    parts = urlsplit(address)
    login, sign, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(  # noqa: S310 the opener knows http and https alone
        urlunsplit(parts._replace(netloc=host)),
        headers={"User-Agent": "ferflow", "Accept": "image/*, video/*, */*"},
    )
    if sign:
        token = base64.b64encode(unquote(login).encode()).decode()
        # Not sent on where a redirect leads.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:  # such as a broken IPv6 address
        return None


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()
