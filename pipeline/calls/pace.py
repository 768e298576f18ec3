"""When a call may start: the rate in force, the queue shared with other processes, and the gate, in one permit."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from pipeline.calls.rate import AdaptiveRate, interval_s, slack
from pipeline.calls.shared_pace import QueueState, SharedPace, state_folder
from pipeline.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
"""The API's own advice after "too many requests": wait one second and try again."""
LONGEST_PAUSE_S = 60.0
TOLD_PAUSE_S = 5.0
"""Pauses longer than this are worth a warning."""


class Permit:
    """Permission to start one call, now: a context manager around the call, which tells the pace how it ended."""

    def __init__(self, pace: Pace, started_at: float) -> None:
        self._pace = pace
        self.started_at = started_at

    def __enter__(self) -> None:
        """Start the call."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Report whether the API accepted the call."""
        if isinstance(error, Throttled):
            self._pace.throttled(self, error.retry_after_s)
        elif isinstance(error, asyncio.CancelledError):
            self._pace.cancelled(self)
        else:
            self._pace.accepted(self)


class Gate:
    """Open, closed until a time, or open for a single trial call whose answer decides.

    Times are the event loop's, in seconds.
    """

    def __init__(self) -> None:
        self.closed_until = 0.0
        self._closed_at = float("-inf")
        self._pause_s = 0.0
        self._trial_running = False
        self._changed = asyncio.Event()

    def try_enter(self) -> bool:
        """Whether a call may start now; if so, it must. After the gate was closed, the first call goes alone."""
        if self.closed_until > _now() or self._trial_running:
            return False
        self._trial_running = self._pause_s > 0
        return True

    def enter_loop(self) -> None:
        """Belong to the running event loop; no call of an earlier one is under way."""
        self._trial_running = False
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Return when it is worth trying to enter."""
        wait_s = self.closed_until - _now()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        elif self._trial_running:
            self._changed.clear()
            await self._changed.wait()

    def close(self, started_at: float, retry_after_s: float | None) -> bool:
        """Close after a 429 to a call that started at `started_at`; return False if an earlier 429 already did.

        Consecutive closings double from a second to a minute; a longer pause that the server asks for is honoured. A
        call that was under way when the gate closed can only lengthen the pause.
        """
        now = _now()
        is_news = started_at > self._closed_at
        if is_news:
            self._pause_s = min(max(FIRST_PAUSE_S, self._pause_s * 2), LONGEST_PAUSE_S)
            self._closed_at = now
            self._trial_running = False
        self.closed_until = max(self.closed_until, now + max(retry_after_s or 0.0, self._pause_s))
        self._changed.set()
        return is_news

    def reopen(self, started_at: float) -> None:
        """Open for everyone: a call that started at `started_at` was accepted."""
        if started_at > self._closed_at:
            self._pause_s = 0.0
            self._trial_running = False
            self._changed.set()

    def abandon(self, started_at: float) -> None:
        """A call that started at `started_at` was cancelled; if it was the trial call, another one may try."""
        if started_at > self._closed_at:
            self._trial_running = False
            self._changed.set()


class Pace:
    """Gives out permits one at a time, evenly spaced, at most `rate_per_s` in any second; 0 is no limit.

    Args:
        rate_per_s: calls started per second.
        shared: the queue of all processes that use the same App; None paces this process only.
        patience_s: seconds of nothing but 429s after which the caller gives up: no pause needs to be longer.

    Attributes:
        held_back_s: seconds that calls waited because of 429s: for the gate, and at a lowered rate.
        throttled_since: when the API began to answer every call with a 429, on the event loop's clock; None while it
            accepts calls.
    """

    def __init__(
        self, rate_per_s: float, shared: SharedPace | None = None, *, patience_s: float = float("inf")
    ) -> None:
        self._rate = AdaptiveRate(rate_per_s)
        self._patience_s = patience_s
        self._told_until = float("-inf")
        self._shared = shared
        self._gate = Gate()
        self._limiter: AsyncLimiter | None = None
        self._limiter_per_s = 0.0
        self._turnstile = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_start = float("-inf")
        self._closings: set[asyncio.Task[None]] = set()
        self.held_back_s = 0.0
        self.throttled_since: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> Pace:
        """The pace that `settings` describe."""
        shared = None
        if settings.rate_per_s and settings.share_pace:
            shared = SharedPace(settings.app_hash(), folder=settings.state_folder or state_folder())
        return cls(settings.rate_per_s, shared, patience_s=settings.throttle_patience_s)

    def enter_loop(self) -> None:
        """Belong to the running event loop, and carry on from an earlier one, whose clock is the same."""
        if (loop := asyncio.get_running_loop()) is not self._loop:
            self._loop, self._turnstile = loop, asyncio.Lock()
            self._gate.enter_loop()
            self._limiter, self._limiter_per_s = None, 0.0  # the next one takes over from the last start

    async def acquire(self) -> Permit:
        """Return when a call may start."""
        async with self._turnstile:
            while True:
                await self._wait_for_interval()
                # The gate comes last, and nothing is awaited after it: no 429 can come between passing it and starting.
                if self._gate.try_enter():
                    self._last_start = _now()
                    return Permit(self, self._last_start)
                with self._held_back():
                    await self._gate.wait()

    def throttled(self, permit: Permit, retry_after_s: float | None) -> None:
        """Close the gate and lower the rate, once for all calls that were under way together."""
        now = _now()
        if self.throttled_since is None:
            self.throttled_since = now
        # Closed for as long as the server asks, but the call with which the patience ends is still made.
        asked_s, left_s = retry_after_s or 0.0, max(0.0, self.throttled_since + self._patience_s - now)
        if self._gate.close(permit.started_at, min(asked_s, left_s)):
            self._rate.lower(now)
        if asked_s:
            closed_s, note = self.closed_for_s(), ""
            if closed_s < asked_s - 1:
                note = f", as throttle_patience_s ({self._patience_s:g}) allows no more"
            elif closed_s > asked_s + 1:
                note = ", as it has refused calls several times in a row"
            self._tell(closed_s, f"The API asks for a pause of {asked_s:,.0f} s (429, Retry-After)", note)
        if self._shared is not None:
            task = asyncio.create_task(self._shared.close_gate(self._gate.closed_until - now))
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)

    def accepted(self, permit: Permit) -> None:
        """Record that the API did not refuse the call as one too many."""
        self._gate.reopen(permit.started_at)
        self.throttled_since = None

    def cancelled(self, permit: Permit) -> None:
        """Record that the call was cancelled before it was answered, which says nothing about the limit."""
        self._gate.abandon(permit.started_at)

    def closed_for_s(self) -> float:
        """Seconds until the gate opens; 0 if it is open."""
        return max(0.0, self._gate.closed_until - _now())

    async def queue_state(self) -> QueueState | None:
        """The state of the queue of all processes; None if the pace is not shared."""
        return await self._shared.state() if self._shared else None

    async def close(self) -> None:
        """Close the file that is shared with other processes."""
        await asyncio.gather(*self._closings, return_exceptions=True)
        if self._shared is not None:
            self._shared.close()

    async def _wait_for_interval(self) -> None:
        """Wait until the rate in force allows a call, in this process and then among all that share it."""
        now = _now()
        rate_per_s = self._rate.per_s(now)
        if not rate_per_s:
            return
        if rate_per_s != self._limiter_per_s:
            await self._replace_limiter(rate_per_s)
        if self._limiter is not None:
            if self._rate.is_lowered(now):
                with self._held_back():
                    await self._limiter.acquire()
            else:
                await self._limiter.acquire()
        if self._shared is not None:
            await self._wait_for_turn(self._shared, rate_per_s)

    async def _wait_for_turn(self, shared: SharedPace, rate_per_s: float) -> None:
        """Wait for a place in the queue of all processes, or for the gate that one of them has closed."""
        while True:
            turn = await shared.take_turn(rate_per_s)
            if turn.closed_s > self.closed_for_s() + FIRST_PAUSE_S:
                self._tell(turn.closed_s, "The API has refused another process that uses this App (429)")
            with self._held_back() if turn.closed_s else nullcontext():
                await shared.wait_for(turn)
            if await shared.begin(turn):
                return

    def _tell(self, pause_s: float, why: str, note: str = "") -> None:
        """Warn of a long pause, once."""
        until = _now() + pause_s
        if pause_s > TOLD_PAUSE_S and until > self._told_until + FIRST_PAUSE_S:
            self._told_until = until
            logger.warning("%s; no call goes out for %s s%s.", why, f"{pause_s:,.0f}", note)

    async def _replace_limiter(self, rate_per_s: float) -> None:
        """Change the rate; what is left of the interval after the last start is carried over to the new limiter."""
        capacity = 1 + slack(rate_per_s)
        self._limiter = AsyncLimiter(capacity, capacity * interval_s(rate_per_s))
        self._limiter_per_s = rate_per_s
        elapsed = (_now() - self._last_start) / interval_s(rate_per_s)
        if elapsed < 1:
            await self._limiter.acquire(1 - elapsed)  # returns at once: an empty limiter has room for a whole call

    @contextmanager
    def _held_back(self) -> Iterator[None]:
        """Add the time that the block takes to `held_back_s`."""
        before = _now()
        try:
            yield
        finally:
            self.held_back_s += _now() - before


def _now() -> float:
    return asyncio.get_running_loop().time()
