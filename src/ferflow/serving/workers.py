"""Predictors in threads of their own, with a bound on the requests that wait for them."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ferflow.serving.limits import Limits, Refused
from ferflow.serving.predictor import Predictor

Result = TypeVar("Result")
_RETRY_AFTER = 1  # second


class Workers:
    """One thread a predictor: a detector looks at one picture at a time, so that sharing would wait.

    Args:
        predictors: One or more, of the same model.
        limits: How many may wait, and how long.
    """

    def __init__(self, predictors: Sequence[Predictor], limits: Limits) -> None:
        self._idle: queue.SimpleQueue[Predictor] = queue.SimpleQueue()
        for predictor in predictors:
            self._idle.put(predictor)
        self._pool = ThreadPoolExecutor(len(predictors), thread_name_prefix="predictor")
        self._most = len(predictors) + limits.max_waiting
        self._limits = limits
        self._num_present = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among the requests that are worked on or wait.

        Raises:
            Refused: There is none.
        """
        if self._num_present >= self._most:
            reason = f"busy: {self._num_present} requests are being answered or wait; try again in a second"
            raise Refused(503, reason, limit="busy", retry_after=_RETRY_AFTER)
        self._num_present += 1
        try:
            yield
        finally:
            self._num_present -= 1

    async def run(self, work: Callable[[Predictor], Result]) -> Result:
        """The result of `work` with a predictor, in a thread.

        What was begun is not broken off with the request: its place is taken until it is done.
        """
        future = self._pool.submit(self._with_predictor, work)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if not future.cancel():
                self._hold_until_done(future)
            raise

    def close(self) -> None:
        """End the threads when what they do is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _with_predictor(self, work: Callable[[Predictor], Result]) -> Result:
        predictor = self._idle.get()
        try:
            return work(predictor)
        finally:
            self._idle.put(predictor)

    def _hold_until_done(self, future: Future[Result]) -> None:
        loop = asyncio.get_running_loop()
        self._num_present += 1
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))

    def _leave(self) -> None:
        self._num_present -= 1
