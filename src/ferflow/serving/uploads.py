"""Bodies of requests on their way in: each in time, and all of them within a bound of memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferflow import heavy
from ferflow.serving.limits import Limits, Refused

if TYPE_CHECKING:
    from fastapi import Request

# A body that comes at this rate is waited for, up to the time of a request as a whole; bytes a second.
_MIN_RATE = 10_000
# The one that stalled longest has to go when memory runs out, if it has for so long; seconds.
_STALLED = 0.5


@dataclass(eq=False)
class _Upload:
    """What there is of a body.

    Attributes:
        num_bytes: So many are here.
        started: When its first byte was awaited, by the loop's clock.
        moved: When the last bytes came.
        timeout: When it is given up.
        is_evicted: Whether it had to make room for another one.
    """

    started: float
    moved: float
    timeout: asyncio.Timeout
    num_bytes: int = 0
    is_evicted: bool = False


class Uploads:
    """The bodies that are being received; for one event loop.

    Args:
        limits: `max_bytes` of one, `max_buffered` of all, `body_seconds` without progress.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._present: set[_Upload] = set()
        self._num_bytes = 0

    async def read(self, request: Request) -> bytes:
        """The body of a request, which is the picture; reading ends where it gets too large or too slow.

        Raises:
            Refused: It is too large, says that it will be, is too slow, breaks off, or is a form.
        """
        _check_head(request, self._limits.max_bytes)
        now = asyncio.get_running_loop().time()
        upload = None
        try:
            async with asyncio.timeout(self._limits.body_seconds) as timeout:
                upload = _Upload(started=now, moved=now, timeout=timeout)
                self._present.add(upload)
                return await self._receive(request, upload)
        except heavy.starlette.requests.ClientDisconnect:
            raise Refused(400, "the upload broke off") from None
        except TimeoutError:
            raise _given_up(upload, self._limits) from None
        finally:
            if upload is not None:
                self._present.discard(upload)
                self._num_bytes -= upload.num_bytes

    async def _receive(self, request: Request, upload: _Upload) -> bytes:
        parts: list[bytes] = []
        async for part in request.stream():
            upload.num_bytes += len(part)
            self._num_bytes += len(part)
            if upload.num_bytes > self._limits.max_bytes:
                raise _too_large("the upload goes on", self._limits.max_bytes)
            parts.append(part)
            self._allow_more_time(upload)
            self._make_room(upload)
        return b"".join(parts)

    def _allow_more_time(self, upload: _Upload) -> None:
        upload.moved = asyncio.get_running_loop().time()
        if upload.is_evicted:
            return
        patience = self._limits.body_seconds
        earned = upload.started + patience + upload.num_bytes / _MIN_RATE
        upload.timeout.reschedule(min(upload.moved + patience, earned))

    def _make_room(self, upload: _Upload) -> None:
        """Give up bodies that stalled while all together take too much.

        Raises:
            Refused: None of the others did.
        """
        excess = self._num_bytes - self._limits.max_buffered
        if excess <= 0:
            return
        others = [other for other in self._present if other is not upload]
        excess -= sum(other.num_bytes for other in others if other.is_evicted)
        waiting = sorted((other for other in others if not other.is_evicted), key=lambda other: other.moved)
        while excess > 0:
            if not waiting or upload.moved - waiting[0].moved < _STALLED:
                reason = "busy: too many large uploads at once; try again in a second"
                raise Refused(503, reason, limit="buffered", retry_after=1)
            victim = waiting.pop(0)
            victim.is_evicted = True
            victim.timeout.reschedule(upload.moved)
            excess -= victim.num_bytes


def _check_head(request: Request, max_bytes: int) -> None:
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise Refused(415, "a form; send the picture itself, such as: curl --data-binary @photo.jpg ADDRESS")
    packing = request.headers.get("content-encoding", "identity")
    if packing.strip().lower() not in ("", "identity"):
        raise Refused(415, f"packed ({packing[:20]!r}); send the picture itself, without a content-encoding")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(f"the upload has {int(declared):,} bytes", max_bytes)


def _given_up(upload: _Upload | None, limits: Limits) -> Refused:
    if upload is not None and upload.is_evicted:
        return Refused(
            503, "busy: a slow upload made room; try again in a second", limit="buffered", retry_after=1
        )
    reason = (
        f"the upload came too slowly: no progress for {limits.body_seconds:g} s, or under "
        f"{_MIN_RATE:,} bytes a second; send a smaller picture"
    )
    return Refused(408, reason, limit="slow")


def _too_large(found: str, max_bytes: int) -> Refused:
    reason = f"{found}, more than the limit of {max_bytes:,} bytes; send a smaller picture"
    return Refused(413, reason, limit="bytes")
