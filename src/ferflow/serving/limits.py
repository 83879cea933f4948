"""What the service takes, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferflow.serving.predictor import MAX_PIXELS

if TYPE_CHECKING:
    from fastapi import Request

MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all that are there at once.

    Attributes:
        max_bytes: Of an upload.
        max_pixels: Width times height that a picture may claim.
        max_faces: That one picture may show.
        max_waiting: Requests that wait for a worker; more are turned away.
        seconds: For a request as a whole, from its first byte to its answer.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    max_faces: int = 50
    max_waiting: int = 16
    seconds: float = 30.0


class Refused(Exception):  # noqa: N818 (an answer, not an error of the service)
    """A request that is not served.

    Args:
        code: HTTP status.
        reason: For the one who asked, in words.
        limit: Name of the limit, for the metrics; None where none was reached.
        retry_after: Seconds after which it may be tried again; None: not at all.
    """

    def __init__(
        self, code: int, reason: str, *, limit: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.limit = limit
        self.retry_after = retry_after


async def read_upload(request: Request, max_bytes: int) -> bytes:
    """The body of a request, which is the picture; reading ends where it gets too large.

    Raises:
        Refused: It is too large, says that it will be, breaks off, or is a form.
    """
    from starlette.requests import ClientDisconnect

    if request.headers.get("content-type", "").startswith("multipart/"):
        raise Refused(415, "a form; send the picture itself, such as: curl --data-binary @photo.jpg ADDRESS")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(f"the upload has {int(declared):,} bytes", max_bytes)
    parts: list[bytes] = []
    num_bytes = 0
    try:
        async for part in request.stream():
            num_bytes += len(part)
            if num_bytes > max_bytes:
                raise _too_large("the upload goes on", max_bytes)
            parts.append(part)
    except ClientDisconnect:
        raise Refused(400, "the upload broke off") from None
    return b"".join(parts)


def _too_large(found: str, max_bytes: int) -> Refused:
    reason = f"{found}, more than the limit of {max_bytes:,} bytes; send a smaller picture"
    return Refused(413, reason, limit="bytes")
