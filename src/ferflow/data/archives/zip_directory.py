"""A zip's bytes, with its directory looked at before `zipfile` makes an object of each entry."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ferflow.data.archives.bounds import check_count
from ferflow.errors import SourceError
from ferflow.limits import MAX_ZIP_DIRECTORY_BYTES, ZIP_DIRECTORY_BYTES_PER_MEMBER

if TYPE_CHECKING:
    from ferflow.params import DownloadParams  # which takes long to load, for names of types alone

# Every entry of the directory begins so; `zipfile` believes neither the count nor more than that.
_ENTRY = b"PK\x01\x02"


class DirectoryFirst(io.RawIOBase):
    """The file object that `zipfile` reads from: what it asks for at once is its directory, or small.

    Args:
        stream: The zip, open for reading.
        path: Its path, for the messages.
        bounds: What is too many.
    """

    def __init__(self, stream: IO[bytes], path: Path, bounds: DownloadParams) -> None:
        super().__init__()
        self._stream = stream
        self._path = path
        self._bounds = bounds
        self._most = max(MAX_ZIP_DIRECTORY_BYTES, ZIP_DIRECTORY_BYTES_PER_MEMBER * bounds.max_members)

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes.

        Raises:
            SourceError: A directory of too many bytes, or of more than `max_members` entries, is asked for.
        """
        if size > self._most:
            raise SourceError(
                f"{self._path}: its directory claims {size:,} bytes, more than {self._most:,}; "
                "do not trust this archive: fetch another copy from its publisher"
            )
        content = self._stream.read(size)
        if content.startswith(_ENTRY):
            check_count(self._path, content.count(_ENTRY), self._bounds)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """True."""
        return True

    def readable(self) -> bool:
        """True."""
        return True
