"""What a run on this machine prints: all of it goes to a file, a line a step to the person who waits."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ferflow.files import output_error
from ferflow.progress import duration, say

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BEGINS = re.compile(r"INFO - Executing task '([^']+)'")
_ENDS = re.compile(r"(?:INFO|ERROR) - Task '([^']+)' finished with status (\w+)")


@contextlib.contextmanager
def told_by_steps(path: Path) -> Iterator[None]:
    """Within it, what kfp and the steps print goes to a file, and each step is one line on stderr.

    A step's own line that begins with `error:` is shown, too: it says why the step failed.

    Args:
        path: The file.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from error
    with stream, contextlib.redirect_stdout(_Lines(stream)):
        yield


class _Lines(io.TextIOBase):
    """Takes what is printed, line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = ""
        self._began: dict[str, float] = {}

    def writable(self) -> bool:
        """It takes text."""
        return True

    def write(self, text: str) -> int:
        """Keep a text; tell of the lines in it that a person waits for."""
        self._stream.write(_COLOURS.sub("", text))
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._look(_COLOURS.sub("", line))
        return len(text)

    def flush(self) -> None:
        """Have the file hold what came so far."""
        self._stream.flush()

    def _look(self, line: str) -> None:
        if begins := _BEGINS.search(line):
            self._began[begins[1]] = time.monotonic()
        elif ends := _ENDS.search(line):
            seconds = time.monotonic() - self._began.pop(ends[1], time.monotonic())
            result = "done" if ends[2] == "SUCCESS" else ends[2].lower()
            say(f"{ends[1]:<18} {result:<8} {duration(seconds):>10}")
        elif line.strip().startswith("error:"):
            say(line.strip())
