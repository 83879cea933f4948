"""One process of the box, and what it may answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ferflow.data.decoding.decode_worker import HEAD
from ferflow.data.decoding.pictures import FULL_PIXELS, Picture
from ferflow.errors import BadImageError
from ferflow.labels import IMAGE_SIZE

_MOST_HEAD_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_WATCH_SECONDS = 0.05
_SET_PIPE_SIZE = 1031  # of Linux, which Python names from 3.10 on there alone


class LostError(Exception):
    """A process ended or was ended; the message is why."""


class DecodeProcess:
    """One process; who calls it sees to it that one thread does at a time.

    Args:
        memory: Bytes that it may take for a picture.
    """

    def __init__(self, memory: int) -> None:
        command = [sys.executable, "-P", "-m", "ferflow.data.decoding.decode_worker", str(memory)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        # What native libraries print of a picture is in the answer, or nothing to its reader.
        self._process = subprocess.Popen(
            command,
            bufsize=0,  # Messages are whole.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.is_alive = True
        _widen(self._process)

    def ask(
        self, request: dict[str, Any], contents: Sequence[bytes], seconds: float, patience: float
    ) -> list[Picture | BadImageError]:
        """Have files decoded.

        Raises:
            LostError: The process ended, or took too long and was ended.
        """
        head = json.dumps(request | {"sizes": [len(content) for content in contents]}).encode()
        is_done, is_late = threading.Event(), threading.Event()
        watch = partial(self._end_when_late, is_done, is_late, seconds, patience)
        threading.Thread(target=watch, name="decode-watch", daemon=True).start()
        try:
            self._write(b"".join([HEAD.pack(len(head)), head, *contents]))
            entries = json.loads(self._read(HEAD.unpack(self._read(HEAD.size))[0], _MOST_HEAD_BYTES))
            if len(entries) != len(contents):
                raise ValueError(f"{len(entries)} answers for {len(contents)} files")
            return self._answers(entries, is_faces=bool(request["faces"]))
        except (OSError, EOFError, ValueError, TypeError) as error:
            is_done.set()
            self.end()
            if is_late.is_set():
                raise LostError(
                    f"takes more than {seconds:g} s to decode; convert it or make it smaller"
                ) from error
            raise LostError(
                "cannot be decoded: its decoder failed, or needs more than its share of memory"
            ) from error
        finally:
            is_done.set()

    def _end_when_late(
        self, is_done: threading.Event, is_late: threading.Event, seconds: float, patience: float
    ) -> None:
        """On a busy machine a picture may take long by the clock and little of the processor."""
        begun, used = time.monotonic(), self._processor_seconds()
        while not is_done.wait(_WATCH_SECONDS):
            elapsed, now = time.monotonic() - begun, self._processor_seconds()
            spent = elapsed if now is None or used is None else now - used
            if spent > seconds or elapsed > patience:
                is_late.set()
                self._process.kill()
                return

    def _processor_seconds(self) -> float | None:
        """Of the process since it started; None where the platform does not say."""
        try:
            status = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
            user, system = status.rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, AttributeError):
            return None

    def end(self) -> None:
        """End the process, whatever it does."""
        self.is_alive = False
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # What was not written yet has no reader.
                    stream.close()
        self._process.wait()

    def _answers(self, entries: list[str | list[int]], *, is_faces: bool) -> list[Picture | BadImageError]:
        """Why a file cannot be used, or its picture: the pixels of all of them come as one block."""
        sizes = [0 if isinstance(entry, str) else _num_bytes(entry[:3], is_faces) for entry in entries]
        block = np.empty(sum(sizes), np.uint8)
        self._fill(block.data)
        if is_faces and all(sizes):
            faces = block.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
            return [Picture(face, *entry[3:]) for face, entry in zip(faces, entries, strict=True)]
        answers: list[Picture | BadImageError] = []
        start = 0
        for entry, size in zip(entries, sizes, strict=True):
            if isinstance(entry, str):
                answers.append(BadImageError(entry))
                continue
            height, width, channels, *facts = entry
            pixels = block[start : start + size].reshape((height, width, channels)[: 2 + (channels > 1)])
            answers.append(Picture(pixels, *facts))
            start += size
        return answers

    def _write(self, content: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        left = memoryview(content)
        while left:
            left = left[self._process.stdin.write(left) :]

    def _read(self, num_bytes: int, most: int = HEAD.size) -> bytes:
        if num_bytes > most:
            raise ValueError(f"a head of {num_bytes} bytes")
        content = bytearray(num_bytes)
        self._fill(memoryview(content))
        return bytes(content)

    def _fill(self, target: memoryview) -> None:
        assert self._process.stdout is not None  # noqa: S101 (for the type checker)
        while target:
            num_read = self._process.stdout.readinto(target)  # type: ignore[attr-defined]
            if not num_read:
                raise EOFError
            target = target[num_read:]


def _num_bytes(shape: Sequence[int], is_face: bool) -> int:
    """Of a picture of (height, width, channels).

    Raises:
        ValueError: A process that works as it should gives no such picture.
    """
    height, width, channels = shape
    is_right = (height, width, channels) == (IMAGE_SIZE, IMAGE_SIZE, 1) if is_face else channels in (1, 3)
    if not is_right or min(shape) < 1 or height * width > FULL_PIXELS:
        raise ValueError(f"a picture of shape {tuple(shape)}")
    return height * width * channels


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Give the pipes room for a mebibyte, which spares a third of the time for large pictures; Linux only."""
    if sys.platform != "linux":
        return
    try:
        import fcntl  # Late: not every system has it.
    except ImportError:  # A Python without it: slower, and no matter.
        return

    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # The user's share of pipe memory is used up: slower, and no matter.
                fcntl.fcntl(stream.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)
