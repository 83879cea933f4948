"""Predictors in threads of their own, with a bound on the requests that wait for them."""

from __future__ import annotations

import asyncio
import queue
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from ferflow.serving.limits import Limits, Refused
from ferflow.serving.predictor import Predictor

Result = TypeVar("Result")
_RETRY_AFTER = 1  # second


@dataclass(eq=False)
class Place:
    """A request that is worked on or waits.

    Attributes:
        client: The address of the one who asks.
        future: Its work; None until it is handed over.
        is_evicted: Whether it made room for another client.
        is_held: Whether its work goes on though nobody waits for it.
    """

    client: str
    future: Future[Any] | None = None
    is_evicted: bool = False
    is_held: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether no worker has begun with it."""
        return self.future is not None and not (self.future.running() or self.future.done())


class Workers:
    """A thread for each predictor that is given.

    Args:
        predictors: One or more, of the same model; one can be given several times.
        limits: How many may wait, and how long.
    """

    def __init__(self, predictors: Sequence[Predictor], limits: Limits) -> None:
        self._idle: queue.SimpleQueue[Predictor] = queue.SimpleQueue()
        for predictor in predictors:
            self._idle.put(predictor)
        self._pool = ThreadPoolExecutor(len(predictors), thread_name_prefix="predictor")
        self._most = len(predictors) + limits.max_waiting
        self._places: list[Place] = []  # in the order in which they were taken

    @contextmanager
    def admitted(self, client: str) -> Iterator[Place]:
        """Hold a place among the requests that are worked on or wait.

        Where all are taken, a client with more waiting requests than others makes room.

        Args:
            client: The address of the one who asks.

        Raises:
            Refused: There is none.
        """
        if len(self._places) >= self._most and not self._make_room(client):
            reason = f"busy: {len(self._places)} requests are being answered or wait; try again in a second"
            raise Refused(503, reason, limit="busy", retry_after=_RETRY_AFTER)
        place = Place(client)
        self._places.append(place)
        try:
            yield place
        finally:
            if not place.is_held:
                self._leave(place)

    async def run(self, work: Callable[[Predictor], Result], place: Place) -> Result:
        """The result of `work` with a predictor, in a thread.

        What was begun is not broken off with the request: its place is taken until it is done.

        Raises:
            Refused: It had to make room for another client.
        """
        future = self._pool.submit(self._with_predictor, work)
        place.future = future
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if place.is_evicted:
                reason = "busy: your many requests made room for another client; try again in a second"
                raise Refused(503, reason, limit="share", retry_after=_RETRY_AFTER) from None
            if not future.cancel():
                self._hold_until_done(future, place)
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

    def _make_room(self, client: str) -> bool:
        """Have the client with most waiting requests give up its last one, if others have fewer."""
        waiting = [place for place in self._places if place.is_waiting]
        shares = Counter(place.client for place in waiting)
        if not shares or max(shares.values()) <= shares[client] + 1:
            return False
        greedy = max(shares, key=lambda name: shares[name])
        victim = [place for place in waiting if place.client == greedy][-1]
        victim.is_evicted = victim.future is not None and victim.future.cancel()
        if victim.is_evicted:
            self._leave(victim)
        return victim.is_evicted

    def _hold_until_done(self, future: Future[Result], place: Place) -> None:
        loop = asyncio.get_running_loop()
        place.is_held = True
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave, place))

    def _leave(self, place: Place) -> None:
        if place in self._places:
            self._places.remove(place)
