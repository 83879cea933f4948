"""A tar's bytes, read once and forwards, with a bound on every read and on all of them."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ferflow.data.archives.bounds import check_ratio, check_size, check_total
from ferflow.errors import SourceError
from ferflow.limits import MAX_TAR_DIGITS, MAX_TAR_HEADER_BYTES

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

END_OF_ARCHIVE = tarfile.NUL * tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MAX_TAR_DIGITS + 1))


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
        self._header_bytes = 0

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
            if not self._take(min(_CHUNK_BYTES, position - self._position)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes of headers, as `tarfile` asks for them; fewer only at the end.

        Raises:
            SourceError: Less than nothing is asked for, more than headers have before a member, or it is
                over `max_total_bytes` in all or `max_ratio`.
        """
        self._header_bytes += max(size, 0)
        if size < 0 or self._header_bytes > MAX_TAR_HEADER_BYTES:
            found = f"{size:,} bytes" if size < 0 else f"{self._header_bytes:,} bytes of headers"
            raise SourceError(
                f"{self._path}: a member claims {found}, expected 0 to {MAX_TAR_HEADER_BYTES:,}; "
                "do not trust this archive: fetch another copy from its publisher"
            )
        block = self._take(size)
        if size > tarfile.BLOCKSIZE and _LONG_NUMBER.search(block):
            raise SourceError(
                f"{self._path}: a header holds a number of more than {MAX_TAR_DIGITS} digits; do not trust "
                "this archive: fetch another copy from its publisher"
            )
        return block

    def read_content(self, size: int) -> bytes:
        """Read a member of `size` bytes; fewer only at the end. The headers of the next one may follow.

        Raises:
            SourceError: Over `max_member_bytes`, `max_total_bytes` in all or `max_ratio`.
        """
        check_size(self._path, "a member", size, self._bounds)
        return self._take(size)

    def next_member(self) -> None:
        """Let the headers of another member come."""
        self._header_bytes = 0

    def _take(self, size: int) -> bytes:
        self.last_read = self._stream.read(size)
        self._position += len(self.last_read)
        check_total(self._path, self._position, self._bounds)
        check_ratio(self._path, self._position, self._packed, self._bounds)
        return self.last_read

    def drain(self) -> None:
        """Read what follows the end mark, so that checksums at the end of the file are verified.

        Raises:
            SourceError: More than padding follows, as where tars were joined: it would be lost.
        """
        while chunk := self._take(_CHUNK_BYTES):
            if chunk.strip(b"\0"):
                raise SourceError(
                    f"{self._path}: more follows the end mark of the tar, as where several were joined; "
                    "unpack it (tar -xif) and give the folder"
                )

    def seekable(self) -> bool:
        """True: forwards, that is."""
        return True
