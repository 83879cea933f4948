"""A tar's bytes, read once and forwards, with a bound on every read and on all of them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO

from ferflow.data.bounds import check_ratio, check_total
from ferflow.errors import SourceError
from ferflow.params import DownloadParams

END_OF_ARCHIVE = tarfile.NUL * tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20


class BoundedStream:
    """The file object that `tarfile` reads headers from.

    `tarfile` believes the sizes that headers claim: one extended header may ask it for gigabytes.
    A compressed file answers a step back by starting all over: there is none here.

    Attributes:
        last_read: What the last `read` returned.
    """

    def __init__(self, stream: IO[bytes], path: Path, bounds: DownloadParams) -> None:
        self.last_read = b""
        self._stream = stream
        self._path = path
        self._bounds = bounds
        self._packed = path.stat().st_size
        self._position = 0

    def tell(self) -> int:
        """The position in the unpacked bytes."""
        return self._position

    def seek(self, position: int) -> int:
        """Go forwards to `position`, or to the end if that comes first.

        Raises:
            tarfile.StreamError: It lies behind.
        """
        if position < self._position:
            raise tarfile.StreamError(f"a header points back from byte {self._position} to {position}")
        while position > self._position:
            if not self.read(min(_CHUNK_BYTES, position - self._position)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; fewer only at the end.

        Raises:
            SourceError: Over `max_member_bytes` at once, `max_total_bytes` in all or `max_ratio`.
        """
        if size > max(self._bounds.max_member_bytes, _CHUNK_BYTES) + tarfile.BLOCKSIZE:
            raise SourceError(
                f"{self._path}: a header claims {size:,} bytes, more than download.max_member_bytes "
                f"{self._bounds.max_member_bytes:,}; do not trust this archive"
            )
        self.last_read = self._stream.read(size)
        self._position += len(self.last_read)
        check_total(self._path, self._position, self._bounds)
        check_ratio(self._path, self._position, self._packed, self._bounds)
        return self.last_read

    def drain(self) -> None:
        """Read what follows the end mark, so that checksums at the end of the file are verified."""
        while self.read(_CHUNK_BYTES):
            continue

    def seekable(self) -> bool:
        """True: forwards, that is."""
        return True
