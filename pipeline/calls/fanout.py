"""All the calls of a run: addresses in, one answer for each out, as many at a time as pace and concurrency allow.

One dispatcher takes a slot and a permit and starts a call; an address that must wait before it is asked again waits
in a heap and holds neither. The first call goes alone: until one has been answered there is never more than one in
flight, so that wrong credentials cost one call. An error that stops the run starts no further call, and those in
flight may still finish, because their answers count.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import heapq
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calls.retry import RetryPolicy
from pipeline.errors import GiveUp, LeadExportError, Throttled, TryAgain
from pipeline.outcomes import Address, Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from pipeline.calls.pace import Pace
    from pipeline.settings import Settings

MAX_CONCURRENCY = 64
"""Calls in flight where the settings leave it open: at a second's latency three times what the API allows."""
MAX_WAITING = 1_000
"""Addresses that wait to be asked again; beyond that no fresh ones are taken on."""
DRAIN_S = 10.0
"""How long calls in flight may still take once the run is to stop."""


@dataclass(slots=True)
class CallCounts:
    """What was sent and what became of it.

    Attributes:
        sent: requests that left.
        answered: addresses that were found, not found or deleted.
        retried: calls made for an address again, after a transient failure.
        throttled: calls that were over the API's limit.
        first_at: when the first call started, on the loop's clock in seconds.
        last_at: when the last one did.
    """

    sent: int = 0
    answered: int = 0
    retried: int = 0
    throttled: int = 0
    first_at: float | None = None
    last_at: float = 0.0

    def start(self) -> None:
        """Count a call that starts now."""
        self.sent += 1
        self.last_at = asyncio.get_running_loop().time()
        if self.first_at is None:
            self.first_at = self.last_at

    @property
    def per_second(self) -> float:
        """Calls started per second, from the first to the last."""
        span_s = self.last_at - (self.first_at or 0.0)
        return (self.sent - 1) / span_s if self.sent > 1 and span_s > 0 else 0.0


class _Turn(NamedTuple):
    """An address's next call: when it is due on the loop's clock, and which attempt it is."""

    due: float
    order: int
    attempt: int
    address: Address


class FanOut:
    """Runs the calls of one list; see the module.

    Args:
        ask: makes one call.
        report: takes each answer; the next call for its slot waits until it returns.
        pace: gives out permits.
        settings: concurrency and retries.
        counts: is brought up to date as the calls go.
        random: gives numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Answer]],
        report: Callable[[Address, Answer], Awaitable[None]],
        *,
        pace: Pace,
        settings: Settings,
        counts: CallCounts,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._counts = counts
        self._ask = ask
        self._report = report
        self._pace = pace
        self._retry = RetryPolicy.of(settings)
        self._random = random
        self._concurrency = settings.concurrency or MAX_CONCURRENCY
        self._waiting: list[_Turn] = []
        self._order = itertools.count()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._settled = False
        self._stop: BaseException | None = None
        self._changed = asyncio.Event()

    async def run(self, addresses: Iterable[Address]) -> None:
        """Ask for every address; return when each has been reported.

        Raises:
            StopRun: the API refuses us or an answer could not be kept; the answers that still came are reported.
        """
        fresh = iter(addresses)
        try:
            while (turn := await self._next_turn(fresh)) is not None:
                await self._pace.acquire()
                if self._stop is not None:
                    break
                self._start(turn)
            await self._drain()
        finally:
            for task in self._in_flight:
                task.cancel()
            await asyncio.gather(*self._in_flight, return_exceptions=True)
        if self._stop is not None:
            raise self._stop

    async def _next_turn(self, fresh: Iterator[Address]) -> _Turn | None:
        """The next address to call, when there is room for a call; None when there is nothing left to do."""
        loop = asyncio.get_running_loop()
        while self._stop is None:
            due = self._waiting[0].due if self._waiting else None
            if len(self._in_flight) < (self._concurrency if self._settled else 1):
                if due is not None and due <= loop.time():
                    return heapq.heappop(self._waiting)
                if len(self._waiting) < MAX_WAITING and (address := next(fresh, None)) is not None:
                    return _Turn(0.0, next(self._order), 1, address)
                if not self._waiting and not self._in_flight:
                    return None
            else:
                due = None
            await self._wait_for_change(due)
        return None

    async def _wait_for_change(self, until: float | None) -> None:
        """Wait until a call ends, or until the time `until` on the loop's clock."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._changed.wait()

    def _start(self, turn: _Turn) -> None:
        task = asyncio.create_task(self._call(turn))
        self._in_flight.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._changed.set()
        if not task.cancelled() and self._stop is None:
            self._stop = task.exception()

    async def _call(self, turn: _Turn) -> None:
        self._counts.start()
        self._counts.retried += turn.attempt > 1
        try:
            answer = await self._ask(turn.address.email)
        except Throttled as error:
            self._counts.throttled += 1
            self._pace.throttled(error.retry_after_s)
            self._wait(turn, 0.0, turn.attempt)
            return
        except TryAgain as error:
            self._counts.sent -= not getattr(error, "sent", True)
            delay_s = self._retry.delay_s(turn.attempt, error, self._random)
            if delay_s is not None:
                self._wait(turn, delay_s, turn.attempt + 1)
                return
            answer = _failure(turn.address, error)
        except GiveUp as error:
            answer = _failure(turn.address, error)
        else:
            self._counts.answered += 1
        self._settled = True
        await self._report(turn.address, dataclasses.replace(answer, attempts=turn.attempt))

    def _wait(self, turn: _Turn, delay_s: float, attempt: int) -> None:
        due = asyncio.get_running_loop().time() + delay_s
        heapq.heappush(self._waiting, _Turn(due, next(self._order), attempt, turn.address))

    async def _drain(self) -> None:
        """Let the calls in flight end; once the run is to stop, for a limited time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S if self._stop else None):
                while self._in_flight:
                    await self._wait_for_change(None)


def _failure(address: Address, error: LeadExportError) -> Answer:
    return Answer(address.email, Outcome.FAILED, code=error.code, message=str(error), body=error.body)
