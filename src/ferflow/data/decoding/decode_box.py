"""Untrusted pictures, decoded in processes of their own with limits on memory, time and output.

A decoder that fails, hangs or asks for too much takes its process with it and nothing else: the picture is
refused with one message, and the next one gets a fresh process.
"""

from __future__ import annotations

import queue
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from ferflow.data.decoding.decode_process import DecodeProcess, LostError
from ferflow.data.decoding.pictures import Picture
from ferflow.errors import BadImageError

# Of a process: bytes above what it has when it starts, and seconds for a picture.
MEMORY, SECONDS = 1 << 30, 20.0
_BATCH_FILES, _BATCH_BYTES = 128, 1 << 23

Key = TypeVar("Key")


class DecodeBox:
    """A pool of decoding processes; safe to call from several threads. They start when they are needed.

    Args:
        workers: Processes at once.
        seconds: Processor time for a picture; then its process is ended.
        patience: The same in time by the clock, for machines that are busy; None: ten times `seconds`.
        memory: Bytes that a process may take for a picture.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        seconds: float = SECONDS,
        patience: float | None = None,
        memory: int = MEMORY,
    ) -> None:
        self._seconds = seconds
        self._patience = 10 * seconds if patience is None else patience
        self._memory = memory
        self._places: queue.LifoQueue[DecodeProcess | None] = queue.LifoQueue()
        for _ in range(workers):
            self._places.put(None)
        self._workers: list[DecodeProcess] = []
        self._end = weakref.finalize(self, _end_all, self._workers)

    def picture(self, content: bytes, *, max_pixels: int, limit: str) -> Picture:
        """Decode one picture; see `ferflow.data.decoding.pictures.decode_picture`.

        Raises:
            BadImageError: It cannot be used, or takes more than a limit.
        """
        request = {"faces": False, "max_pixels": max_pixels, "limit": limit}
        (answer,) = self._ask(request, [content])
        if isinstance(answer, BadImageError):
            raise answer
        return answer

    def faces(
        self, items: Iterable[tuple[Key, bytes]], *, max_pixels: int, limit: str
    ) -> Iterator[tuple[Key, Picture | BadImageError]]:
        """Files to faces, in order; while some are decoded the next ones are read.

        Args:
            items: What to call a file, and its bytes.
            max_pixels: Width times height that a file may claim.
            limit: What messages call `max_pixels`.

        Yields:
            The name, and a picture whose pixels are the (48, 48) uint8 grey face, or why there is none.
        """
        request = {"faces": True, "max_pixels": max_pixels, "limit": limit}
        with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
            waiting: tuple[list[Key], Future[list[Picture | BadImageError]]] | None = None
            for keys, contents in _batches(items):
                begun = keys, pool.submit(self._ask, request, contents)
                if waiting is not None:
                    yield from _with_keys(*waiting)
                waiting = begun
            if waiting is not None:
                yield from _with_keys(*waiting)

    def start(self) -> Self:
        """Have a process begin to start, while the caller does something else."""
        with self._worker():
            return self

    def close(self) -> None:
        """End the processes."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], contents: Sequence[bytes]) -> list[Picture | BadImageError]:
        """The answers of a process; where it is lost, those of the files one by one."""
        with self._worker() as worker:
            try:
                return worker.ask(request, contents, self._seconds, self._patience)
            except LostError as error:
                if len(contents) == 1:
                    return [BadImageError(str(error))]
        return [answer for content in contents for answer in self._ask(request, [content])]

    @contextmanager
    def _worker(self) -> Iterator[DecodeProcess]:
        worker = self._places.get()
        try:
            if worker is None or not worker.is_alive:
                if worker is not None:
                    self._workers.remove(worker)
                worker = DecodeProcess(self._memory)
                self._workers.append(worker)
            yield worker
        finally:
            self._places.put(worker)


def _end_all(workers: list[DecodeProcess]) -> None:
    for worker in workers:
        worker.end()
    workers.clear()


def _batches(items: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[list[Key], list[bytes]]]:
    keys: list[Key] = []
    contents: list[bytes] = []
    num_bytes = 0
    for key, content in items:
        keys.append(key)
        contents.append(content)
        num_bytes += len(content)
        if len(keys) >= _BATCH_FILES or num_bytes >= _BATCH_BYTES:
            yield keys, contents
            keys, contents, num_bytes = [], [], 0
    if keys:
        yield keys, contents


def _with_keys(
    keys: list[Key], answers: Future[list[Picture | BadImageError]]
) -> Iterator[tuple[Key, Picture | BadImageError]]:
    yield from zip(keys, answers.result(), strict=True)
