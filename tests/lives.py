"""A process that loads what takes long once, and then forks for each life: one that ends, or is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class Lives:
    """A process whose code forks for each line of JSON that it reads, and answers with the exit code.

    Args:
        code: What it runs.
        arguments: Of the code.
        log: Where its standard error and that of its lives is written.
        options: Of `subprocess.Popen`, such as the folder and the environment.
    """

    def __init__(self, code: str, *arguments: str, log: Path, **options: Any) -> None:
        self._log = log
        command = [sys.executable, "-c", code, *arguments]
        pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        with log.open("w") as stream:
            self._process = subprocess.Popen(command, stderr=stream, text=True, **pipes, **options)

    def live(self, *values: Any) -> int:
        """Have one live with some values; its exit code."""
        print(json.dumps(values), file=self._process.stdin, flush=True)
        code = self._process.stdout.readline()
        assert code, self.printed()
        return int(code)

    def printed(self) -> str:
        """All that was printed until now."""
        return self._log.read_text()

    def __enter__(self) -> Lives:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
