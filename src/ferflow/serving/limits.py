"""What the service takes, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import dataclass

from ferflow.serving.defaults import MAX_PIXELS

MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all that are there at once.

    Attributes:
        max_bytes: The largest size of an upload in bytes.
        max_pixels: Width times height that a picture may claim.
        max_faces: That one picture may show.
        max_waiting: Requests that wait for a worker; more are turned away.
        seconds: For a request as a whole, from its head to its answer.
        max_connections: Open at once; fewer where fewer files may be open.
        max_buffered: Bytes of all uploads on their way.
        head_seconds: From a connection, or the last answer, to the whole head of a request.
        body_seconds: Without progress of an upload.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    max_faces: int = 50
    max_waiting: int = 16
    seconds: float = 30.0
    max_connections: int = 512
    max_buffered: int = 64_000_000
    head_seconds: float = 10.0
    body_seconds: float = 10.0


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
